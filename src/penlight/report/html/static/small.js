// The small pictures of the findings and of the trials, as plain SVG.

function smallPicture(holder) {
  const spec = JSON.parse(holder.dataset.small);
  const { x, y } = series(spec.series);
  const W = Math.max(220, holder.clientWidth);
  const H = 118;
  const [left, right, top, foot] = [46, 10, 14, 20];
  const value = (v) => (spec.log ? Math.log10(Math.max(v, 1e-38)) : v);
  const finite = y.filter((v) => v !== null);
  const all = (spec.limit === null ? finite : [...finite, spec.limit]).map(value);
  let [low, high] = [Math.min(...all), Math.max(...all)];
  const room = high > low ? 0.1 * (high - low) : 0.5 * Math.abs(high) || 0.5;
  [low, high] = [low - room, high + room];
  const first = x[0];
  const last = Math.max(x.at(-1), first + 1);
  const X = (s) => left + ((s - first) / (last - first)) * (W - left - right);
  const Y = (v) => top + ((high - value(v)) / (high - low)) * (H - top - foot);
  const said = (v) => compact(Number((spec.log ? 10 ** v : v).toPrecision(2)));
  const svg = draw("svg", { viewBox: `0 0 ${W} ${H}`, width: W, height: H, role: "img", "aria-label": `${spec.label}: from ${number(y[0])} to ${number(y.at(-1))}${spec.limit === null ? "" : `; limit ${number(spec.limit)}`}` });
  if (spec.span) {
    const [a, b] = spec.span.map((s) => Math.max(left, Math.min(W - right, X(s))));
    svg.append(draw("rect", { class: "span", x: a, y: top, width: Math.max(2, b - a), height: H - top - foot }));
  }
  svg.append(
    draw("line", { class: "axis", x1: left, x2: W - right, y1: H - foot, y2: H - foot }),
    draw("text", { x: left - 6, y: top + 8, "text-anchor": "end" }, tick(high - room, spec.log)),
    draw("text", { x: left - 6, y: H - foot, "text-anchor": "end" }, tick(low + room, spec.log)),
    draw("text", { x: left, y: H - 5 }, `step ${compact(first)}`),
    draw("text", { x: W - right, y: H - 5, "text-anchor": "end" }, compact(last)),
    draw("text", { x: (left + W - right) / 2, y: H - 5, "text-anchor": "middle" }, shortened(spec.label, Math.floor((W - 150) / 6))),
  );
  if (spec.limit !== null) {
    const at = Y(spec.limit);
    svg.append(
      draw("line", { class: "limit", x1: left, x2: W - right, y1: at, y2: at }),
      draw("text", { class: "limit-text", x: W - right, y: at < top + 16 ? at + 12 : at - 4, "text-anchor": "end" }, `limit ${number(spec.limit)}`),
    );
  }
  let path = "";
  y.forEach((v, i) => {
    if (v !== null) path += `${path === "" || y[i - 1] === null ? "M" : "L"}${X(x[i]).toFixed(1)} ${Y(v).toFixed(1)}`;
  });
  svg.append(draw("path", { class: "trace", d: path }));
  if (x.length < 30) y.forEach((v, i) => v !== null && svg.append(draw("circle", { class: "dots", cx: X(x[i]), cy: Y(v), r: 2.6 })));
  holder.replaceChildren(svg);
}

function tick(at, log) {
  const value = log ? 10 ** at : at;
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? power(value, 1) : compact(Number(value.toPrecision(2)));
}

// Each pair a line, from the run without the change to the run with it.
function slopes(holder) {
  const trial = data.trials[Number(holder.dataset.trial)];
  if (!trial || !trial.pairs.length) return;
  const [W, H, top, foot, left, right] = [300, 170, 12, 26, 60, 240];
  const all = trial.pairs.flat();
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const Y = (v) => top + ((high - v) / (high - low || 1)) * (H - top - foot);
  const svg = draw("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `${count(trial.pairs.length, "pair")}: ${trial.pairs.map(([a, b]) => `${number(a)} to ${number(b)}`).join(", ")}` });
  for (const [a, b] of trial.pairs) {
    const kind = a === b ? "same" : trial.higher === b > a ? "better" : "worse";
    svg.append(
      draw("line", { class: kind, x1: left, x2: right, y1: Y(a), y2: Y(b), "stroke-width": 2 }),
      draw("circle", { cx: left, cy: Y(a), r: 3.5, class: "dot" }),
      draw("circle", { cx: right, cy: Y(b), r: 3.5, class: "dot" }),
    );
  }
  svg.append(
    draw("text", { x: left, y: H - 6, "text-anchor": "middle" }, "without"),
    draw("text", { x: right, y: H - 6, "text-anchor": "middle" }, "with the change"),
    draw("text", { x: left - 10, y: Y(high) + 4, "text-anchor": "end" }, number(Number(high.toPrecision(3)))),
    draw("text", { x: left - 10, y: Y(low) + 4, "text-anchor": "end" }, number(Number(low.toPrecision(3)))),
  );
  holder.replaceChildren(svg);
}
