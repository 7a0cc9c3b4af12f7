// Numbers in, words out: the data of the page, its colours, and how numbers are said.

let data = JSON.parse(document.getElementById("data").textContent);
let decoded = new Map();

function bytes(text) {
  const raw = atob(text);
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out.buffer;
}

// A series of the page: {x, y}; what was not finite is null.
function series(number) {
  let found = decoded.get(number);
  if (!found) {
    const [column, text] = data.series[number];
    const x = Array.from(new Uint32Array(bytes(data.columns[column])));
    const y = Array.from(new Float32Array(bytes(text)), (v) => (Number.isFinite(v) ? v : null));
    found = { x, y };
    decoded.set(number, found);
  }
  return found;
}

// The index of the last point at or before x.
function before(xs, x) {
  let low = 0;
  let high = xs.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (xs[middle] <= x) low = middle;
    else high = middle - 1;
  }
  return low;
}

function median(values) {
  const sorted = values.filter((v) => v !== null).sort((a, b) => a - b);
  return sorted.length ? sorted[sorted.length >> 1] : 0;
}

// -- elements --------------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  return dress(element, attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return dress(document.createElementNS(SVG, tag), attributes, children);
}

function dress(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// The colour behind a custom property, as the theme of the moment has it.
function colour(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

// -- numbers: the same words as penlight.report.words -----------------------------------

function power(value, digits) {
  return value.toExponential(digits - 1).replace(/\.?0+e/, "e").replace(/e([+-])(\d)$/, "e$10$2");
}

function grouped(value) {
  return value.toLocaleString("en-US", { maximumFractionDigits: 0 });
}

function number(value) {
  if (value === null || Number.isNaN(value)) return "not finite";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e9) return grouped(value);
  if (size < 1e-3 || size >= 1e9) return power(value, 2);
  return size >= 100 ? grouped(value) : String(Number(value.toPrecision(3)));
}

function part(value) {
  if (value === null || !Number.isFinite(value) || value < 0) return number(value);
  if (value === 0) return "none";
  if (value > 1.005) return `${number(Number(value.toPrecision(2)))} times`;
  if (value >= 0.1) return `${Math.round(100 * value)}%`;
  if (value >= 0.01) return `${Number((100 * value).toPrecision(2))}%`;
  const n = Number((1 / value).toPrecision(2));
  if (n < 1e6) return `1 in ${grouped(n)}`;
  for (const [size, word] of [[1e6, "million"], [1e9, "billion"], [1e12, "trillion"]]) {
    if (n < 1000 * size) return `1 in ${Number((n / size).toPrecision(3))} ${word}`;
  }
  return `1 in ${power(n, 1)}`;
}

function tiny(value) {
  if (value === null || !Number.isFinite(value)) return "?";
  if (value === 0) return "0";
  if (value >= 1e4 || value < 1e-12) return power(value, 1);
  if (value >= 9.5) return value.toFixed(0);
  if (value >= 0.995) return String(Number(value.toPrecision(2)));
  if (value >= 0.01) return value.toFixed(2);
  const n = Number((1 / value).toPrecision(2));
  const [size, letter] = [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]].find(([s]) => n >= s);
  return `1/${Number((n / size).toPrecision(3))}${letter}`;
}

function count(value, one) {
  return `${grouped(value)} ${value === 1 ? one : `${one}s`}`;
}

// -- light as a colour --------------------------------------------------------------------

const DECADES = 8; // from full light to darkness, as in the terminal
const GLARE = 4; // decades above the lamp, from full light to the far end of the scale
const DARK_TO_LIT = [[9, 8, 16], [60, 15, 92], [142, 38, 98], [209, 75, 60], [246, 142, 22], [253, 231, 160]];
const LIT_TO_GLARE = [[253, 231, 160], [255, 255, 255], [142, 202, 255], [43, 108, 246]];

// -1 to 0 from darkness to the light at the lamp, 0 to 1 for more light than that.
function exposure(value) {
  if (!(value > 0)) return -1;
  const decades = Math.log10(value);
  return decades <= 0 ? Math.max(-1, decades / DECADES) : Math.min(1, decades / GLARE);
}

function mixed(stops, at) {
  const place = Math.min(Math.max(at, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(place), stops.length - 2);
  const parts = stops[low].map((v, i) => Math.round(v + (stops[low + 1][i] - v) * (place - low)));
  return `rgb(${parts.join(",")})`;
}

function glow(at) {
  return at <= 0 ? mixed(DARK_TO_LIT, 1 + at) : mixed(LIT_TO_GLARE, at);
}
