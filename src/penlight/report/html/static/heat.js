// Layer by step: a row for each layer, the input at the bottom; each look lasts until the next.

const HEATS = {
  flow: { rows: (arm) => arm.light, paint: (v) => glow(exposure(v)), rank: (v) => Math.log10(Math.max(v, 1e-12)), says: (v) => `${part(v)} of the light (${number(v)})` },
  dead: { rows: (arm) => arm.dead, paint: alive, rank: (v) => v, says: (v) => `${part(v)} of the units are dead` },
  saturated: { rows: (arm) => arm.saturated, paint: alive, rank: (v) => v, says: (v) => `${part(v)} of the units are saturated` },
};

// A few dead units are normal: the colours turn where they become many.
function alive(share) {
  return glow(-(share ** 1.7));
}

function heat(holder, key) {
  const kind = HEATS[key];
  const arms = data.arms.filter((arm) => kind.rows(arm).length);
  const last = Math.max(...arms.map((arm) => Math.max(...kind.rows(arm).map((r) => series(r.series).x.at(-1)))));
  const readout = make("p", { class: "readout", "aria-live": "polite" });
  const parts = arms.map((arm) => oneHeat(arm, kind, last, readout));
  holder.replaceChildren(readout, ...parts.flatMap((p) => p.elements), scale(key));
  parts.forEach((p) => paint(p.canvas, kind.rows(p.arm), kind, last, p.tall)); // now it has a width
}

function oneHeat(arm, kind, last, readout) {
  const rows = kind.rows(arm);
  const each = Math.max(1, Math.min(40, Math.floor((rows.length > 40 ? 300 : 264) / rows.length)));
  const tall = Math.max(120, rows.length * each);
  const canvas = make("canvas", { height: tall, tabindex: "0", role: "img", "aria-label": `A row for each of ${rows.length} layers over ${count(last + 1, "step")}` });
  canvas.style.height = `${tall}px`;
  const names = make("div", { class: "names", "aria-hidden": "true" });
  const shown = labelled(rows.length, tall, 15);
  for (const i of shown) {
    const label = make("span", {}, `\u200e${rows[i].name}`);
    label.style.top = `${((rows.length - 0.5 - i) / rows.length) * tall}px`;
    names.append(label);
  }
  const ticks = make("div", { class: "ticks", "aria-hidden": "true" }, make("span", {}, "step 0"), make("span", {}, grouped(last)));
  const grid = make("div", { class: "heat-grid" }, names, canvas, ticks);
  const head = arm.label ? [make("h3", {}, arm.label)] : [];
  point(canvas, rows, kind, last, readout);
  return { arm, canvas, tall, elements: [...head, grid] };
}

function paint(canvas, rows, kind, last, tall) {
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const wide = Math.max(60, canvas.clientWidth);
  canvas.width = Math.round(wide * ratio);
  canvas.height = Math.round(tall * ratio);
  const pen = canvas.getContext("2d");
  const scaleX = canvas.width / (last + 1);
  rows.forEach((row, i) => {
    const { x, y } = series(row.series);
    const top = Math.round(((rows.length - 1 - i) / rows.length) * canvas.height);
    const foot = Math.round(((rows.length - i) / rows.length) * canvas.height);
    const usual = kind.rank(median(y));
    // The odd ones last, and at least two pixels wide: a spike of one step is seen in a long run.
    const order = x.map((_, k) => k).sort((a, b) => oddness(y[a], usual, kind) - oddness(y[b], usual, kind));
    for (const k of order) {
      const from = x[k] * scaleX;
      const to = (k + 1 < x.length ? x[k + 1] : last + 1) * scaleX;
      pen.fillStyle = y[k] === null ? "#00e0ff" : kind.paint(y[k]);
      pen.fillRect(Math.floor(from), top, Math.max(2, Math.ceil(to) - Math.floor(from)), foot - top - (foot - top > 5 ? 1 : 0));
    }
  });
}

function oddness(value, usual, kind) {
  return value === null ? Infinity : Math.abs(kind.rank(value) - usual);
}

function point(canvas, rows, kind, last, readout) {
  let row = 0;
  let step = last;
  const say = () => {
    const { x, y } = series(rows[row].series);
    const k = before(x, step);
    readout.replaceChildren(make("b", {}, rows[row].name), ` step ${grouped(x[k])}: ${y[k] === null ? "not finite" : kind.says(y[k])}`);
  };
  canvas.addEventListener("pointermove", (e) => {
    const box = canvas.getBoundingClientRect();
    row = Math.max(0, Math.min(rows.length - 1, rows.length - 1 - Math.floor(((e.clientY - box.top) / box.height) * rows.length)));
    step = Math.max(0, Math.floor(((e.clientX - box.left) / box.width) * (last + 1)));
    say();
  });
  canvas.addEventListener("pointerleave", () => readout.replaceChildren());
  canvas.addEventListener("keydown", (e) => {
    const { x } = series(rows[row].series);
    const k = before(x, step);
    const moves = {
      ArrowUp: () => (row = Math.min(rows.length - 1, row + 1)),
      ArrowDown: () => (row = Math.max(0, row - 1)),
      ArrowRight: () => (step = x[Math.min(x.length - 1, k + 1)]),
      ArrowLeft: () => (step = x[Math.max(0, k - 1)]),
    };
    if (!moves[e.key]) return;
    moves[e.key]();
    say();
    e.preventDefault();
  });
  canvas.addEventListener("focus", say);
}

// The key to the colours.
function scale(key) {
  const canvas = make("canvas", { width: 180, height: 8, "aria-hidden": "true" });
  const pen = canvas.getContext("2d");
  const glare = key === "flow" && data.arms.some((arm) => arm.light.some((r) => r.left > 10));
  for (let i = 0; i < 180; i++) {
    const at = i / 179;
    pen.fillStyle = key === "flow" ? glow(glare ? -1 + 1.5 * at : -1 + at) : alive(1 - at);
    pen.fillRect(i, 0, 1, 8);
  }
  const ends = key === "flow" ? ["1 in 100 million", glare ? "100 times" : "all of the light"] : ["none of the units", "all of them"];
  return make("div", { class: "scale" }, ends[0], canvas, ends[1]);
}
