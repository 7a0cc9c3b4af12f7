// Curves over steps, drawn by uPlot.

const charts = new Set();
const FONT = "11.5px system-ui, -apple-system, 'Segoe UI', sans-serif";
const DASHES = { symptom: [2, 3], nan: [], rate: [6, 4] };

function curve(holder, lines, { log = false, tall = 240, band = null, events = [], gaps = [], right = null, zero = false, level = null, lost = null } = {}) {
  const readout = make("p", { class: "readout", "aria-live": "polite" });
  const box = make("div", { tabindex: "0", role: "img", "aria-label": lines.map((l) => `${l.label}: ${number(l.y.find((v) => v !== null) ?? null)} to ${number(l.y.findLast((v) => v !== null) ?? null)}`).slice(0, 12).join("; ") });
  holder.append(readout, box);
  // Logarithms are taken here: uPlot's own logarithmic axis has no end below 1e-16.
  const lift = log ? (v) => (v > 0 ? Math.log10(v) : null) : (v) => v;
  const table = uPlot.join(lines.map((l) => [l.x, l.scale ? l.y : l.y.map((v) => (v === null ? null : lift(v)))]));
  const ink = colour("soft");
  const grid = { stroke: colour("grid"), width: 1 };
  const axis = { stroke: ink, font: FONT, grid, ticks: { show: false }, gap: 6 };
  const options = {
    width: Math.max(240, holder.clientWidth),
    height: tall,
    padding: [events.length ? 20 : 10, right ? 0 : 24, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: true, y: false },
      sync: { key: "steps" },
      focus: { prox: 1e4 },
      points: { size: 7, one: true },
      dataIdx: (u, s, near) => nearest(u.data[s], near),
    },
    focus: { alpha: lines.length > 4 ? 0.28 : 1 },
    scales: {
      x: { time: false },
      y: log ? { range: (u, low, high) => decades(low, high, band) } : zero ? { range: (u, low, high) => [Math.min(0, low), Math.max(high, level?.value ?? high) * 1.06 || 1] } : {},
      ...(right ? { rate: {} } : {}),
    },
    axes: [
      { ...axis, size: 28, values: (u, ticks) => ticks.map((v) => (Number.isInteger(v) ? compact(v) : "")) },
      { ...axis, size: 52, ...(log ? { incrs: [1, 2, 3, 4, 5, 10, 20] } : {}), values: (u, ticks) => ticks.map((v) => (log ? powerOfTen(v) : compact(v))) },
      ...(right ? [{ ...axis, side: 1, scale: "rate", size: 56, grid: { show: false }, values: (u, ticks) => ticks.map((v) => number(v)), label: right, labelSize: 16, labelFont: FONT }] : []),
    ],
    series: [{}, ...lines.map((l) => ({
      label: l.label,
      stroke: l.stroke,
      width: l.width ?? 1.6,
      dash: l.dash,
      scale: l.scale ?? "y",
      points: { show: l.points ?? l.x.length < 3, size: 5, fill: l.stroke },
    }))],
    hooks: {
      drawClear: [(u) => band && shadeBand(u, band.map(lift))],
      drawAxes: [(u) => gaps.forEach((gap) => shadeGap(u, gap, lift)), (u) => lost !== null && shadeLost(u, lost), (u) => level && drawLevel(u, level, lift)],
      draw: [(u) => mark(u, events)],
      setCursor: [(u) => say(u, lines, readout, log)],
      setSeries: [(u) => say(u, lines, readout, log)],
    },
  };
  const chart = new uPlot(options, table, box);
  charts.add({ chart, holder, tall });
  box.addEventListener("keydown", (e) => step(chart, table, e));
  box.addEventListener("blur", () => chart.setCursor({ left: -10, top: -10 }));
  return chart;
}

function nearest(column, near) {
  for (let d = 0; d < column.length; d++) {
    if (near - d >= 0 && column[near - d] != null) return near - d;
    if (near + d < column.length && column[near + d] != null) return near + d;
  }
  return null;
}

function say(u, lines, readout, log) {
  const at = u.cursor.idx;
  if (at === null || at === undefined || u.cursor.left < 0) {
    readout.replaceChildren();
    return;
  }
  const focused = u.series.findIndex((s, i) => i > 0 && s._focus);
  const shown = lines.length <= 4 ? lines.map((_, i) => i + 1) : focused > 0 ? [focused] : [];
  const parts = [`step ${grouped(u.data[0][at])}`];
  for (const i of shown) {
    const k = nearest(u.data[i], at);
    if (k !== null) parts.push("   ", make("b", {}, lines[i - 1].label), ` ${number(log && !lines[i - 1].scale ? 10 ** u.data[i][k] : u.data[i][k])}`);
  }
  readout.replaceChildren(...parts);
}

function step(chart, table, event) {
  const move = { ArrowRight: 1, ArrowLeft: -1, PageUp: 20, PageDown: -20 }[event.key];
  if (!move) return;
  const last = table[0].length - 1;
  const at = Math.max(0, Math.min(last, (chart.cursor.idx ?? 0) + move));
  chart.setCursor({ left: chart.valToPos(table[0][at], "x"), top: chart.bbox.height / 3 / (window.devicePixelRatio || 1) });
  event.preventDefault();
}

// Whole decades around what is shown, with room for the band; at most twenty-four of them.
function decades(low, high, band) {
  const known = Number.isFinite(low) && Number.isFinite(high);
  let from = known ? Math.floor(low + 1e-9) : 0;
  let to = known ? Math.ceil(high - 1e-9) : 1;
  if (band) {
    from = Math.min(from, Math.floor(Math.log10(band[0])) - 1);
    to = Math.max(to, Math.ceil(Math.log10(band[1])));
  }
  to = Math.max(to, from + 1);
  return [Math.max(from, to - 24), to];
}

function powerOfTen(exponent) {
  if (!Number.isInteger(exponent)) return "";
  if (exponent >= -2 && exponent <= 3) return String(Number((10 ** exponent).toPrecision(1)));
  return `10${String(exponent).replace(/./g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? "⁻")}`;
}

function compact(value) {
  const size = Math.abs(value);
  if (size >= 1e9) return power(value, 2);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
  if (size >= 1e3) return grouped(value);
  return String(Number(value.toPrecision(3)));
}

// -- what is drawn under and over the lines ------------------------------------------------

function shadeBand(u, [low, high]) {
  const top = u.valToPos(high, "y", true);
  const foot = u.valToPos(low, "y", true);
  u.ctx.save();
  u.ctx.fillStyle = colour("well-wash");
  u.ctx.fillRect(u.bbox.left, top, u.bbox.width, foot - top);
  u.ctx.restore();
}

// The space between two curves, along the second one's points.
function shadeGap(u, { above, below }, lift) {
  if (above.x.length < 2) return;
  const ctx = u.ctx;
  ctx.save();
  ctx.beginPath();
  ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
  ctx.clip();
  ctx.beginPath();
  const known = above.x.map((_, i) => i).filter((i) => above.y[i] !== null && lift(above.y[i]) !== null && at(below, above.x[i]) !== null && lift(at(below, above.x[i])) !== null);
  known.forEach((i) => ctx.lineTo(u.valToPos(above.x[i], "x", true), u.valToPos(lift(above.y[i]), "y", true)));
  known.reverse().forEach((i) => ctx.lineTo(u.valToPos(above.x[i], "x", true), u.valToPos(lift(at(below, above.x[i])), "y", true)));
  ctx.closePath();
  ctx.fillStyle = colour("shade");
  ctx.fill();
  ctx.restore();
}

// From here on nothing is finite any more.
function shadeLost(u, from) {
  const ratio = window.devicePixelRatio || 1;
  const left = Math.max(u.bbox.left, u.valToPos(from, "x", true));
  const room = u.bbox.left + u.bbox.width - left;
  if (room < 2) return;
  u.ctx.save();
  u.ctx.fillStyle = colour("bad-wash");
  u.ctx.fillRect(left, u.bbox.top, room, u.bbox.height);
  u.ctx.fillStyle = colour("bad");
  u.ctx.font = `${11.5 * ratio}px system-ui, sans-serif`;
  u.ctx.textAlign = "center";
  if (room > 110 * ratio) u.ctx.fillText("not finite any more", left + room / 2, u.bbox.top + u.bbox.height / 2);
  u.ctx.restore();
}

// A loss that something is to be compared with.
function drawLevel(u, level, lift) {
  const y = u.valToPos(lift(level.value), "y", true);
  if (!(y >= u.bbox.top - 1 && y <= u.bbox.top + u.bbox.height)) return;
  const ratio = window.devicePixelRatio || 1;
  const ctx = u.ctx;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour("soft");
  ctx.setLineDash([1.5 * ratio, 4 * ratio]);
  ctx.lineWidth = 1.4 * ratio;
  ctx.beginPath();
  ctx.moveTo(u.bbox.left, y);
  ctx.lineTo(u.bbox.left + u.bbox.width, y);
  ctx.stroke();
  ctx.restore();
}

function at(line, x) {
  const i = before(line.x, x);
  const [a, b] = [line.y[i], line.y[i + 1]];
  if (a === null || b === null || b === undefined || x <= line.x[i]) return a;
  return a + ((b - a) * (x - line.x[i])) / (line.x[i + 1] - line.x[i]);
}

function mark(u, events) {
  const ctx = u.ctx;
  const ratio = window.devicePixelRatio || 1;
  let free = -Infinity;
  ctx.save();
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  ctx.textAlign = "left";
  ctx.textBaseline = "alphabetic";
  for (const event of events) {
    const x = u.valToPos(event.step, "x", true);
    if (x < u.bbox.left || x > u.bbox.left + u.bbox.width + 1) continue;
    ctx.strokeStyle = ctx.fillStyle = colour(event.kind === "rate" ? "soft" : "bad");
    ctx.setLineDash(DASHES[event.kind].map((d) => d * ratio));
    ctx.lineWidth = 1.2 * ratio;
    ctx.beginPath();
    ctx.moveTo(x, u.bbox.top);
    ctx.lineTo(x, u.bbox.top + u.bbox.height);
    ctx.stroke();
    const wide = ctx.measureText(event.says).width;
    const left = Math.max(u.bbox.left, Math.min(x, u.bbox.left + u.bbox.width - wide));
    if (left < free) continue;
    ctx.fillText(event.says, left, u.bbox.top - 6 * ratio);
    free = left + wide + 10 * ratio;
  }
  ctx.restore();
}

// -- the pictures ----------------------------------------------------------------------------

function lossCurve(holder) {
  holder.replaceChildren();
  const lines = [];
  const gaps = [];
  const events = [];
  let log = true;
  let lost = null;
  const two = data.arms.length > 1;
  data.arms.forEach((arm, i) => {
    if (!arm.loss) return;
    log = log && arm.loss.log;
    const name = two ? `${arm.label}: ` : "";
    const main = colour(i ? "two" : "one");
    const raw = series(arm.loss.train);
    const mean = arm.loss.mean === null ? null : series(arm.loss.mean);
    const faint = main.replace("rgb(", "rgba(").replace(")", ", 0.28)");
    lines.push({ ...raw, label: `${name}training`, stroke: mean ? faint : main, width: mean ? 1 : 1.8, quiet: two && mean });
    if (mean) lines.push({ ...mean, label: `${name}training, mean`, stroke: main, width: 2.2 });
    if (arm.loss.valid) {
      const valid = series(arm.loss.valid.series);
      const stroke = two ? main : colour("two");
      lines.push({ ...valid, label: `${name}validation`, stroke, width: 2.2, dash: [6, 4], points: valid.x.length < 40 });
      if (!two) gaps.push({ above: valid, below: mean ?? raw });
    }
    const alive = raw.y.findLastIndex((v) => v !== null);
    if (!two && alive < raw.y.length - 1) lost = raw.x[alive + 1];
    for (const [label, k] of arm.loss.others) lines.push({ ...series(k), label: `${name}${label}`, stroke: colour("early"), width: 1.4 });
    if (arm.loss.rate !== null && !two) lines.push({ ...series(arm.loss.rate), label: "learning rate", stroke: colour("soft"), width: 1.6, dash: [2, 4], scale: "rate" });
    if (i === 0) events.push(...arm.loss.events);
  });
  const chance = data.arms.find((arm) => arm.loss?.chance)?.loss.chance;
  const level = chance ? { value: chance, label: `a guess without looking at the input: ${number(chance)}`, stroke: colour("soft"), dash: [1.5, 4] } : null;
  const right = lines.some((l) => l.scale) ? "learning rate" : null;
  curve(holder, lines, { log, tall: window.innerWidth < 600 ? 240 : 320, events, gaps, right, zero: !log, level, lost });
  holder.append(legend(level ? [...lines, level] : lines, gaps.length > 0));
}

function legend(lines, gap = false) {
  const list = make("ul", { class: "legend", "aria-hidden": "true" });
  for (const line of lines.filter((l) => !l.quiet)) {
    const stroke = draw("line", { x1: 0, x2: 26, y1: 5, y2: 5, stroke: line.stroke, "stroke-width": line.width ?? 1.6, "stroke-dasharray": line.dash?.join(" ") });
    list.append(make("li", {}, draw("svg", { viewBox: "0 0 26 10" }, stroke), line.label));
  }
  if (gap) list.append(make("li", {}, draw("svg", { viewBox: "0 0 26 10" }, draw("rect", { width: 26, height: 10, fill: colour("shade") })), "the gap between them"));
  return list;
}

// Lines for layers: from the first one's colour to the last one's.
function blend(at) {
  const [a, b] = [colour("early"), colour("late")].map((c) => c.match(/[\d.]+/g).map(Number));
  return `rgb(${a.slice(0, 3).map((v, i) => Math.round(v + (b[i] - v) * at)).join(",")})`;
}

// A line for each layer that has numbers of this kind.
function layerCurves(holder, key, options) {
  holder.replaceChildren();
  const arms = data.arms.filter((arm) => arm[key].length);
  for (const arm of arms) {
    const total = arm[key].length;
    const lines = arm[key].map((row, i) => ({ ...series(row.series), label: row.name, stroke: blend(total > 1 ? i / (total - 1) : 1), width: total > 40 ? 1 : 1.5 }));
    if (arm.label) holder.append(make("h3", {}, arm.label));
    if (key === "updates" && !lines.some((l) => l.y.some((v) => v > 0))) {
      holder.append(make("p", {}, "Not one of these weights moved in any step that was looked at."));
      continue;
    }
    curve(holder, lines, { tall: arms.length > 1 ? 220 : 280, ...options });
    if (total > 1) holder.append(legend([{ ...lines[0], label: `${lines[0].label} (first)` }, { ...lines[total - 1], label: `${lines[total - 1].label} (last)` }]));
  }
}

// The outcome of the training as it was and with the change.
function cureCurve(holder) {
  holder.replaceChildren();
  const lines = [
    { ...series(data.cure.before), label: "without", stroke: colour("one"), width: 1.8, dash: [5, 3] },
    { ...series(data.cure.after), label: "with the change", stroke: colour("two"), width: 2 },
  ];
  curve(holder, lines, { tall: 190, zero: true });
  holder.append(legend(lines));
}

function historyCurve(holder, row) {
  const strokes = ["two", "one", "early", "well", "warn", "soft", "link"].map(colour);
  const lines = [["light", row.series], ...row.more].map(([label, k], i) => ({ ...series(k), label, stroke: strokes[i % strokes.length], width: i ? 1.4 : 2.4 }));
  curve(holder, lines, { log: true, tall: 220 });
  holder.append(legend(lines));
}
