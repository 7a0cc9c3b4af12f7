// Puts the pictures where they belong, and listens.

const PICTURES = {
  light: (stage) => flashlight(stage, data.arms),
  beams: (stage) => flashlight(stage, data.beams),
  flow: (holder) => heat(holder, "flow"),
  dead: (holder) => heat(holder, "dead"),
  saturated: (holder) => heat(holder, "saturated"),
  loss: lossCurve,
  updates: (holder) => layerCurves(holder, "updates", { log: true, band: data.band }),
  logits: (holder) => layerCurves(holder, "logits", { log: true }),
  attention: (holder) => layerCurves(holder, "attention", { zero: true, level: { value: 1 } }),
  cure: cureCurve,
};

function drawAll() {
  charts.forEach(({ chart }) => chart.destroy());
  charts.clear();
  close();
  if (!data.arms) return;
  document.querySelectorAll("[data-picture]").forEach((holder) => PICTURES[holder.dataset.picture](holder));
  document.querySelectorAll("[data-small]").forEach(smallPicture);
  document.querySelectorAll("[data-trial]").forEach(slopes);
}

// -- tables, made when they are opened --------------------------------------------------------

function tableFor(key) {
  const table = make("table");
  const add = (cells, tag = "td") => {
    const row = make("tr", {}, ...cells.map((c, i) => make(i || tag === "th" ? tag : "th", tag === "th" ? { scope: "col" } : i ? {} : { scope: "row" }, String(c))));
    table.append(tag === "th" ? make("thead", {}, row) : row);
  };
  const name = (arm, text) => (arm.label ? `${arm.label}: ${text}` : text);
  if (key === "light" || key === "beams") {
    add(["layer", "kind", "light left", "number"], "th");
    (key === "light" ? data.arms : data.beams).forEach((arm) => arm.light.forEach((r) => add([name(arm, r.name), r.kind, part(r.left), number(r.left)])));
    return table;
  }
  const rows = data.arms.flatMap((arm) => {
    if (key !== "loss") return arm[key === "flow" ? "light" : key].map((r) => [name(arm, r.name), r.series]);
    if (!arm.loss) return [];
    return [[name(arm, "training"), arm.loss.mean ?? arm.loss.train], ...(arm.loss.valid ? [[name(arm, "validation"), arm.loss.valid.series]] : [])];
  });
  add(["", "first", "lowest", "highest", "last", "steps"], "th");
  for (const [label, k] of rows.slice(0, 400)) {
    const { x, y } = series(k);
    const finite = y.filter((v) => v !== null);
    add([label, number(y[0]), number(Math.min(...finite)), number(Math.max(...finite)), number(y.at(-1)), `${grouped(x[0])} to ${grouped(x.at(-1))}`]);
  }
  return table;
}

// -- theme ------------------------------------------------------------------------------------

const THEMES = ["auto", "light", "dark"];

function remembered() {
  try {
    return localStorage.getItem("penlight-theme") ?? "auto";
  } catch {
    return "auto";
  }
}

function setTheme(theme) {
  const root = document.documentElement;
  if (theme === "auto") root.removeAttribute("data-theme");
  else root.setAttribute("data-theme", theme);
  const button = document.getElementById("theme");
  button.querySelector("span").textContent = theme[0].toUpperCase() + theme.slice(1);
  button.setAttribute("aria-label", theme === "auto" ? "Colours: as the system has them" : `Colours: ${theme}`);
  try {
    localStorage.setItem("penlight-theme", theme);
  } catch {
    return; // a page from disk may have no storage; the theme holds until it is closed
  }
}

document.getElementById("theme").addEventListener("click", () => {
  setTheme(THEMES[(THEMES.indexOf(remembered()) + 1) % THEMES.length]);
  drawAll();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);

// -- the rest -----------------------------------------------------------------------------------

document.addEventListener("click", async (e) => {
  const button = e.target.closest("[data-copy]");
  if (!button) return;
  const text = button.closest("figure").querySelector("code").textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(button.closest("figure").querySelector("code"));
    button.textContent = "Selected: press Ctrl+C";
  }
  setTimeout(() => (button.textContent = "Copy the patch"), 2500);
});

document.addEventListener("toggle", (e) => {
  const table = e.target.dataset?.table;
  if (table && e.target.open) e.target.querySelector(".scroll").replaceChildren(tableFor(table));
  // A picture in a fold that was closed has had no width until now.
  if (e.target.open) e.target.querySelectorAll("[data-small]").forEach(smallPicture);
}, true);

let width = window.innerWidth;
let waiting = 0;
window.addEventListener("resize", () => {
  if (window.innerWidth === width) return;
  width = window.innerWidth;
  clearTimeout(waiting);
  waiting = setTimeout(drawAll, 120);
});

// Paper is light: what is drawn on canvas is drawn anew for it.
window.addEventListener("beforeprint", () => {
  document.documentElement.setAttribute("data-theme", "light");
  document.querySelectorAll(".finding details").forEach((d) => (d.open = true));
  drawAll();
});
window.addEventListener("afterprint", () => {
  setTheme(remembered());
  drawAll();
});

setTheme(remembered());
drawAll();

// -- live -----------------------------------------------------------------------------------------

const main = document.getElementById("main");

// The run has grown: new words, new numbers; what was open stays open, and the focus where it was.
function renew({ inside, data: fresh }) {
  const folds = () => [...main.querySelectorAll("details")];
  const key = (d) => d.dataset.table ?? `${d.closest("article")?.id}: ${d.querySelector("summary").textContent}`;
  const open = new Set(folds().filter((d) => d.open).map(key));
  const layer = document.getElementById("history")?.querySelector("h3")?.textContent;
  const pane = document.activeElement?.closest?.(".pane")?.dataset.layer;
  const scroll = window.scrollY;
  // Made by the same templates as the page itself; the policy lets no script in it run.
  main.innerHTML = inside;
  data = fresh;
  decoded = new Map();
  folds().forEach((d) => (d.open = open.has(key(d))));
  drawAll();
  const row = data.arms?.[0]?.light.find((r) => r.name === layer);
  if (row) openHistory(data.arms[0], row);
  if (pane !== undefined) main.querySelector(`.pane[data-layer="${pane}"]`)?.focus();
  window.scrollTo({ top: scroll, behavior: "instant" });
}

function listen(address) {
  const pulse = document.getElementById("pulse");
  const say = (text, kind) => {
    pulse.textContent = text;
    pulse.className = `pulse ${kind}`;
  };
  const source = new EventSource(address);
  source.addEventListener("message", (e) => {
    const news = JSON.parse(e.data);
    if (news.gone) {
      say("the run cannot be read any more; this is what was seen last", "off");
      pulse.title = news.gone;
      return;
    }
    say(news.state, news.state === "finished" ? "" : "on");
    renew(news);
  });
  source.addEventListener("error", () => say("connection lost, trying again", "off"));
}

if (document.body.dataset.live) listen(document.body.dataset.live);
