// The flashlight: a lamp at the loss, a pane of glass for each layer, the light that is left.

const NARROW = 560; // below this the beam falls from top to bottom
let beamAt = 0; // the layer that has the focus

function flashlight(stage, all) {
  const arms = all.filter((arm) => arm.light.length);
  const width = Math.max(280, stage.clientWidth);
  const upright = width < NARROW;
  const scene = upright ? standing(arms, width) : lying(arms, width);
  const svg = draw("svg", {
    viewBox: `0 0 ${width} ${scene.height}`,
    width,
    height: scene.height,
    role: "group",
    "aria-label": "The light left at each layer, from the input to the loss",
  });
  svg.append(definitions());
  scene.beams.forEach((beam, i) => svg.append(oneBeam(beam, arms[i], i, upright, stage.id)));
  const tip = make("div", { class: "tip", role: "status", hidden: "" });
  stage.replaceChildren(svg, tip);
  wire(stage, svg, tip, arms);
}

// Where things are. A beam maps (along, across) to the page: along runs from the lamp.
function lying(arms, width) {
  const labels = 62 + (arms.some((a) => blocks(a.light).length) ? 22 : 0);
  const tall = arms.length > 1 ? 112 : 150;
  const head = arms.length > 1 ? 42 : 26;
  const beams = arms.map((arm, i) => {
    const middle = head + tall / 2 + i * (head + tall + labels);
    const length = width - 134;
    return {
      length,
      half: tall / 2,
      point: (along, across) => [width - 104 - along, middle + across],
      middle,
      room: length,
    };
  });
  return { height: arms.length * (head + tall + labels) + 4, beams };
}

function standing(arms, width) {
  const part = width / arms.length;
  const most = Math.max(...arms.map((a) => a.light.length));
  const length = Math.min(560, Math.max(240, most * 24));
  const half = arms.length > 1 ? Math.min(40, part / 4.5) : 62;
  const beams = arms.map((arm, i) => {
    const middle = i * part + half + 16;
    return {
      length,
      half,
      point: (along, across) => [middle + across, 96 + along],
      middle,
      room: part - (2 * half + 34),
    };
  });
  return { height: 96 + length + 26, beams };
}

function definitions() {
  const soft = draw("filter", { id: "soft", x: "-20%", y: "-40%", width: "140%", height: "180%" },
    draw("feGaussianBlur", { stdDeviation: "9" }));
  const halo = draw("radialGradient", { id: "halo" },
    draw("stop", { offset: "0", "stop-color": "#fff7dc", "stop-opacity": "0.95" }),
    draw("stop", { offset: "0.3", "stop-color": "#fde7a0", "stop-opacity": "0.4" }),
    draw("stop", { offset: "1", "stop-color": "#fde7a0", "stop-opacity": "0" }));
  const metal = draw("linearGradient", { id: "metal", x1: "0", y1: "0", x2: "0", y2: "1" },
    draw("stop", { offset: "0", "stop-color": "#6c778d" }),
    draw("stop", { offset: "0.45", "stop-color": "#3d4658" }),
    draw("stop", { offset: "1", "stop-color": "#1d222d" }));
  return draw("defs", {}, soft, halo, metal);
}

function oneBeam(beam, arm, which, upright, stage) {
  const group = draw("g", { class: "beam", "data-arm": which });
  const rows = arm.light;
  const gap = beam.length / rows.length;
  // The layer nearest to the loss stands nearest to the lamp.
  const place = (i) => (rows.length - 1 - i + 0.72) * gap;
  const spread = (along) => beam.half * (0.5 + 0.42 * (along / beam.length));
  const fill = ramp(group, beam, rows, place, gap, `${stage}-${which}`);
  const cone = [[-2, -spread(0)], [beam.length, -spread(beam.length)], [beam.length, spread(beam.length)], [-2, spread(0)]];
  const shape = cone.map(([a, c]) => beam.point(a, c).join(",")).join(" ");
  group.append(
    draw("polygon", { points: shape, fill, filter: "url(#soft)", opacity: "0.75" }),
    draw("polygon", { points: shape, fill }),
  );
  group.append(lamp(beam, upright));
  if (arm.label) {
    const [x, y] = upright ? [beam.middle - beam.half, 16] : [14, beam.middle - beam.half - 20];
    group.append(draw("text", { class: "arm", x, y }, arm.label));
  }
  const thick = Math.min(7, Math.max(0.6, gap * 0.16));
  rows.forEach((row, i) => group.append(pane(beam, row, i, rows, place(i), gap, thick, which, upright)));
  group.append(upright ? sideLabels(beam, rows, place) : lowLabels(beam, rows, place, gap));
  if (!upright) group.append(brackets(beam, rows, place, gap));
  return group;
}

// The colours along a beam: even between two panes, changing at the glass.
function ramp(group, beam, rows, place, gap, id) {
  const [x1, y1] = beam.point(0, 0);
  const [x2, y2] = beam.point(beam.length, 0);
  const gradient = draw("linearGradient", { id, gradientUnits: "userSpaceOnUse", x1, y1, x2, y2 });
  const add = (along, at) => gradient.append(
    draw("stop", { offset: Math.min(1, Math.max(0, along / beam.length)), "stop-color": glow(at), "stop-opacity": 0.25 + 0.75 * Math.min(1, (1 + at) * 2.2) }));
  add(0, 0);
  for (let i = rows.length - 1; i >= 0; i--) {
    const ahead = i + 1 < rows.length ? exposure(rows[i + 1].left) : 0;
    add(place(i) - 0.06 * gap, ahead);
    add(place(i) + 0.2 * gap, exposure(rows[i].left));
  }
  add(beam.length, exposure(rows[0].left));
  group.append(gradient);
  return `url(#${id})`;
}

function lamp(beam, upright) {
  const [x, y] = beam.point(0, 0);
  const r = beam.half * 0.5;
  const group = draw("g", { transform: `translate(${x} ${y})${upright ? " rotate(-90)" : ""}` });
  const k = r / 38;
  group.append(
    draw("circle", { r: r * 1.9, fill: "url(#halo)" }),
    draw("path", { d: `M2 ${-r} L${24 * k} ${-r * 0.86} L${40 * k} ${-r * 0.5} L${86 * k} ${-r * 0.46} Q${92 * k} ${-r * 0.46} ${92 * k} ${-r * 0.36} L${92 * k} ${r * 0.36} Q${92 * k} ${r * 0.46} ${86 * k} ${r * 0.46} L${40 * k} ${r * 0.5} L${24 * k} ${r * 0.86} L2 ${r} Z`, fill: "url(#metal)" }),
    draw("rect", { x: 54 * k, y: -r * 0.58, width: 16 * k, height: 7 * k, rx: 3 * k, fill: "#f5b841" }),
    draw("ellipse", { cx: 1, rx: 7 * k, ry: r, fill: "#fff6d8" }),
  );
  const text = upright
    ? draw("text", { class: "num", x: x + r + 16, y: y - 34 }, "loss")
    : draw("text", { class: "num", x: x + 46 * k, y: y + r + 20, "text-anchor": "middle" }, "loss");
  return draw("g", {}, group, text);
}

function pane(beam, row, i, rows, along, gap, thick, which, upright) {
  const tall = beam.half * 0.98;
  const corners = [beam.point(along - thick / 2, -tall), beam.point(along + thick / 2, tall)];
  const [x, y] = [Math.min(corners[0][0], corners[1][0]), Math.min(corners[0][1], corners[1][1])];
  const [w, h] = [Math.abs(corners[0][0] - corners[1][0]), Math.abs(corners[0][1] - corners[1][1])];
  const [hx, hy] = beam.point(along, 0);
  const focus = data.focus === row.name && which === 0;
  const group = draw("g", {
    class: `pane${focus ? " named" : ""}${gap < 7 ? " dense" : ""}`,
    role: row.series === undefined ? "img" : "button",
    tabindex: i === beamAt && which === 0 ? "0" : "-1",
    "data-layer": i,
    "data-arm": which,
    "aria-label": `${row.name}${row.kind ? `, ${row.kind}` : ""}: light ${part(row.left)}`,
  });
  group.append(
    upright
      ? draw("rect", { x: hx - beam.half, y: hy - gap / 2, width: 2 * beam.half, height: gap, fill: "transparent" })
      : draw("rect", { x: hx - gap / 2, y: hy - beam.half, width: gap, height: 2 * beam.half, fill: "transparent" }),
    draw("rect", { class: "glass", x, y, width: w, height: h, rx: Math.min(3, thick / 2) }),
  );
  if (focus) {
    const [mx, my] = beam.point(along, -tall);
    group.append(upright
      ? draw("path", { class: "mark", d: `M${mx - 2} ${my} l-9 -5 v10 z` })
      : draw("path", { class: "mark", d: `M${mx} ${my - 2} l-6 -9 h12 z` }));
  }
  return group;
}

// Which layers get a label: the first, the last, and evenly spaced ones that fit.
function labelled(total, room, each) {
  const step = Math.max(1, Math.ceil((total * each) / Math.max(room, 1)));
  const chosen = [];
  for (let i = total - 1; i >= 0; i -= step) chosen.push(i);
  if (chosen[chosen.length - 1] !== 0) {
    if (chosen[chosen.length - 1] < step * 0.7) chosen.pop();
    chosen.push(0);
  }
  return chosen;
}

// What all names begin with, to be left out of the labels.
function common(rows) {
  const first = rows[0].name;
  let cut = first.lastIndexOf(".") + 1;
  while (cut > 0 && !rows.every((r) => r.name.startsWith(first.slice(0, cut)))) {
    cut = first.lastIndexOf(".", cut - 2) + 1;
  }
  return cut;
}

function shortened(name, most) {
  return name.length <= most ? name : `…${name.slice(1 - most)}`;
}

function lowLabels(beam, rows, place, gap) {
  const group = draw("g", { "aria-hidden": "true" });
  const cut = rows.length > 8 ? common(rows) : 0;
  const most = gap > 96 ? 15 : 11;
  // Under a bracket with the block's name, the rest of a layer's name is enough.
  const names = rows.map((r) => r.name.slice(cut));
  for (const block of blocks(rows)) {
    for (let i = block.from; i <= block.to; i++) names[i] = rows[i].name.slice(block.name.length + 1);
  }
  const longest = Math.max(...names.map((n) => Math.min(most, n.length)));
  const widest = Math.max(...rows.map((r) => tiny(r.left).length));
  for (const i of labelled(rows.length, beam.length, Math.max(widest * 7.4, longest * 6.6) + 6)) {
    const [x, y] = beam.point(place(i), beam.half);
    group.append(
      draw("text", { class: "num", x, y: y + 18, "text-anchor": "middle" }, tiny(rows[i].left)),
      draw("text", { x, y: y + 34, "text-anchor": "middle" }, shortened(names[i], most)),
    );
  }
  return group;
}

function sideLabels(beam, rows, place) {
  const group = draw("g", { "aria-hidden": "true" });
  const most = Math.floor((beam.room - 48) / 6.8);
  for (const i of labelled(rows.length, beam.length, 19)) {
    const [x, y] = beam.point(place(i), beam.half + 16);
    group.append(
      draw("text", { class: "num", x, y: y + 4 }, tiny(rows[i].left)),
      ...(most < 7 ? [] : [draw("text", { x: x + 48, y: y + 4 }, shortened(rows[i].name, most))]),
    );
  }
  return group;
}

// Blocks: neighbours whose names begin alike, when that makes a few groups of several layers.
function blocks(rows) {
  for (let depth = 1; depth < 5; depth++) {
    const found = [];
    rows.forEach((row, i) => {
      const parts = row.name.split(".");
      const name = parts.slice(0, Math.min(depth, parts.length - 1)).join(".");
      const last = found[found.length - 1];
      if (last && last.name === name) last.to = i;
      else found.push({ name, from: i, to: i });
    });
    const real = found.filter((b) => b.name && b.to > b.from);
    if (real.length > 16) return [];
    if (real.length > 1) return real;
  }
  return [];
}

function brackets(beam, rows, place, gap) {
  const group = draw("g", { "aria-hidden": "true" });
  for (const block of blocks(rows)) {
    const [right, y] = beam.point(place(block.to) - 0.35 * gap, beam.half + 46);
    const [left] = beam.point(place(block.from) + 0.35 * gap, 0);
    const fits = Math.floor((right - left) / 6.4);
    group.append(draw("path", { class: "block", d: `M${left} ${y - 4} v4 H${right} v-4` }));
    if (fits > 2) {
      group.append(draw("text", { class: "block-text", x: (left + right) / 2, y: y + 14, "text-anchor": "middle" }, shortened(block.name, fits)));
    }
  }
  return group;
}

// -- hover, focus, choice -------------------------------------------------------------------

function wire(stage, svg, tip, arms) {
  const show = (pane) => {
    svg.querySelectorAll(".pane.at").forEach((p) => p.classList.remove("at"));
    pane.classList.add("at");
    const rows = arms[pane.dataset.arm].light;
    const i = Number(pane.dataset.layer);
    const row = rows[i];
    const ahead = rows[i + 1];
    const lines = [make("b", {}, row.name), `${part(row.left)} of the light (${number(row.left)})`];
    if (ahead && ahead.left > 0) lines.push(make("i", {}, `${ahead.name} passes on ${part(row.left / ahead.left)}`));
    lines.push(make("i", {}, [row.kind, row.source].filter(Boolean).join(" · ")));
    tip.replaceChildren(...lines);
    tip.hidden = false;
    const box = stage.getBoundingClientRect();
    const at = pane.getBoundingClientRect();
    const x = at.left + at.width / 2 - box.left - tip.offsetWidth / 2;
    tip.style.left = `${Math.max(8, Math.min(x, box.width - tip.offsetWidth - 8))}px`;
    const above = at.top - box.top + at.height / 2 > box.height / 2 && svg.clientHeight > 260;
    tip.style.top = `${above ? Math.max(6, at.top - box.top - tip.offsetHeight - 8) : Math.max(6, Math.min(at.top - box.top + 10, box.height - tip.offsetHeight - 6))}px`;
  };
  const hide = () => {
    svg.querySelectorAll(".pane.at").forEach((p) => p.classList.remove("at"));
    tip.hidden = true;
  };
  svg.addEventListener("pointerover", (e) => {
    const pane = e.target.closest(".pane");
    if (pane) show(pane);
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("focusin", (e) => show(e.target.closest(".pane")));
  svg.addEventListener("focusout", hide);
  svg.addEventListener("click", (e) => {
    const pane = e.target.closest(".pane");
    if (pane) choose(svg, pane, arms);
  });
  svg.addEventListener("keydown", (e) => {
    const pane = e.target.closest(".pane");
    if (!pane) return;
    const i = Number(pane.dataset.layer);
    const last = arms[pane.dataset.arm].light.length - 1;
    const goal = { ArrowRight: i + 1, ArrowUp: i + 1, ArrowLeft: i - 1, ArrowDown: i - 1, Home: 0, End: last }[e.key];
    if (e.key === "Enter" || e.key === " ") {
      choose(svg, pane, arms);
    } else if (goal !== undefined) {
      move(svg, pane, Math.max(0, Math.min(last, goal)));
    } else if (e.key === "Escape") {
      close();
    } else {
      return;
    }
    e.preventDefault();
  });
}

function move(svg, pane, goal) {
  const next = svg.querySelector(`.pane[data-arm="${pane.dataset.arm}"][data-layer="${goal}"]`);
  pane.setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  beamAt = goal;
  next.focus();
}

function choose(svg, pane, arms) {
  const arm = arms[pane.dataset.arm];
  const row = arm.light[Number(pane.dataset.layer)];
  if (row.series !== undefined) openHistory(arm, row);
}

function close() {
  const box = document.getElementById("history");
  if (!box) return;
  box.hidden = true;
  box.replaceChildren();
}

function openHistory(arm, row) {
  const box = document.getElementById("history");
  const heading = make("h3", {}, `${row.name}${arm.label ? `, ${arm.label.toLowerCase()}` : ""}`);
  const button = make("button", { type: "button", class: "quiet" }, "Close");
  button.addEventListener("click", close);
  const holder = make("div", { class: "curve" });
  box.replaceChildren(make("header", {}, heading, make("span", { class: "fine" }, [row.kind, row.source].filter(Boolean).join(" · ")), make("span", { class: "grow" }), button), holder);
  box.hidden = false;
  historyCurve(holder, row);
  box.scrollIntoView({ block: "nearest" });
}
