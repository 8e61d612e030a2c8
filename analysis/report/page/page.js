"use strict";
// Unpacks what the page carries, and ties controls, diagram and details together.
(async () => {
  const get = (id) => document.getElementById(id);
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const printing = matchMedia("print");
  let wanted = null, data, view, toggles, open = null, onPaper = false;

  async function unpack(id) {
    const bytes = Uint8Array.from(atob(get(id).textContent), (mark) => mark.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  const themeName = () => (onPaper ? "light" : wanted || (dark.matches ? "dark" : "light"));
  function colours() {
    const style = getComputedStyle(root), of = (name) => style.getPropertyValue("--" + name).trim();
    return { ground: of("ground"), panel: of("panel"), text: of("text"), soft: of("soft"), line: of("line"), empty: themeName() === "dark" ? "#2d333b" : "#e3e6ea" };
  }

  function applyTheme() {
    root.dataset.theme = themeName();
    get("theme").textContent = themeName() === "dark" ? "Light" : "Dark";
    get("theme").setAttribute("aria-label", `Switch to the ${themeName() === "dark" ? "light" : "dark"} theme`);
    if (view) redraw();
  }

  // ---------------------------------------------------------------- controls

  function select(label, options, value, changed) {
    const box = document.createElement("select");
    for (const [key, text] of options) box.add(new Option(text, key));
    box.value = value;
    box.setAttribute("aria-label", label);
    box.addEventListener("change", () => changed(box.value));
    const made = document.createElement("label");
    made.append(label, box);
    return made;
  }

  const across = () => data.axes.map((axis) => axis.name);
  const upward = () => [...data.sizes.map((one) => one.name), ...across().filter((name) => name !== view.x)];
  const colourNames = () => Object.keys(Diagram.COLOURS).filter((name) => name !== "threshold" || !Pivot.isSize(view.y));
  // Over M, or over groups where several share an order.
  const lawAxis = () => view.x === "group_order" || view.x === "group";

  function settle() {
    if (!upward().includes(view.y)) view.y = data.sizes[0].name;
    if (!colourNames().includes(view.colour)) view.colour = "accuracy";
    const first = data.settings[0] ? data.settings[0].where : {};
    const kept = view.filters;
    view.filters = {};
    for (const axis of data.axes) {
      if (axis.name === view.x || axis.name === view.y || axis.levels.length < 2) continue;
      if (view.x === "group" && (axis.name === "group_order" || axis.name === "max_irrep_dim")) continue;
      view.filters[axis.name] = axis.name in kept ? kept[axis.name] : axis.name in first ? first[axis.name] : -1;
    }
  }

  function buildControls() {
    const focused = document.activeElement && document.activeElement.closest("#choices label");
    const place = focused ? [...get("choices").children].indexOf(focused) : -1;
    const change = (update) => (value) => { update(value); settle(); open = null; buildControls(); redraw(); };
    const named = (names) => names.map((name) => [name, Pivot.label(name)]);
    const made = [
      select("across", named(across()), view.x, change((value) => { view.x = value; })),
      select("upward", named(upward()), view.y, change((value) => {
        view.y = value;
        if (!Pivot.isSize(value)) view.colour = "threshold";
      })),
      select("colour", colourNames().map((name) => [name, Diagram.COLOURS[name].label]), view.colour, change((value) => { view.colour = value; })),
    ];
    for (const [name, number] of Object.entries(view.filters)) {
      const options = [[-1, "all"], ...Pivot.axis(name).levels.map((value, i) => [i, String(value)])];
      made.push(select(Pivot.label(name), options, number, change((value) => { view.filters[name] = +value; })));
    }
    get("choices").replaceChildren(...made);
    if (place >= 0 && made[place]) made[place].querySelector("select").focus();
  }

  function buildOverlays() {
    toggles = {};
    const kinds = new Set(data.settings.flatMap((one) => one.lines.map((line) => line.kind)));
    for (const [kind, law] of Object.entries(Diagram.LAWS)) {
      if (kind !== "thresholds" && !kinds.has(kind)) continue;
      toggles[kind] = law.on;
      const label = document.createElement("label"), box = document.createElement("input");
      Object.assign(box, { type: "checkbox", checked: law.on, name: kind });
      box.addEventListener("change", () => { toggles[kind] = box.checked; redraw(); });
      label.append(box, swatch(law), law.label);
      get("overlays").append(label);
    }
  }

  function swatch({ colour, dash }) {
    const ns = "http://www.w3.org/2000/svg", svg = document.createElementNS(ns, "svg");
    svg.setAttribute("viewBox", "0 0 26 12");
    svg.setAttribute("aria-hidden", "true");
    const add = (name, attributes) => {
      const made = document.createElementNS(ns, name);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      svg.append(made);
    };
    add("rect", { x: 0, y: 0, width: 26, height: 12, rx: 2, fill: "#575d6d" });
    if (dash === null) add("circle", { cx: 13, cy: 6, r: 4, fill: "#fff", stroke: "#000", "stroke-width": 1.2 });
    else add("line", { x1: 1, x2: 25, y1: 6, y2: 6, stroke: colour, "stroke-width": 2.6, "stroke-dasharray": { solid: "none", dash: "6 3", dot: "2 3", dashdot: "6 3 2 3" }[dash] });
    return svg;
  }

  // ---------------------------------------------------------------- drawing

  function redraw() {
    const old = open, theme = colours();
    const state = Diagram.draw(get("map"), view, toggles, theme, onPaper);
    const lined = lawAxis() && Pivot.isSize(view.y);
    get("overlays").disabled = !Pivot.isSize(view.y);
    get("drawn").textContent = !state.bricks.length ? "Nothing was run with these values together." :
      !lined ? "Laws are drawn over M and a size." :
      state.setting ? `Laws and thresholds of: ${state.setting.words}.` : "Choose one value of each axis to draw the laws of a setting.";
    get("map").hidden = !state.bricks.length;
    Scaled.draw(theme);
    listen();
    if (old && state.bricks[old.number]) choose(state.bricks[old.number], false);
  }

  function choose(brick, go) {
    const state = Diagram.state;
    open = state.selected = brick;
    Diagram.mark();
    say(brick);
    Details.show(brick, view, colours());
    if (go) get("cell-heading").focus();
  }

  const say = (brick) => { get("where").textContent = Diagram.describe(view, brick).join("; ") + "."; };

  function listen() {
    const map = get("map");
    if (!map.removeAllListeners) return;
    map.removeAllListeners("plotly_click");
    map.on("plotly_click", ({ points: [point] }) => {
      const number = point.customdata;
      if (typeof number === "number") choose(Diagram.state.bricks[number], false);
    });
  }

  function keyboard() {
    const map = get("map");
    const go = (brick) => { Diagram.state.cursor = brick; Diagram.mark(); if (brick) say(brick); };
    map.addEventListener("keydown", (event) => {
      const state = Diagram.state;
      if (event.ctrlKey || event.metaKey || event.altKey || !state.bricks.length) return;
      if (event.key.startsWith("Arrow")) go(Diagram.step(event.key));
      else if (event.key === "Home") go(state.bricks[0]);
      else if (event.key === "End") go(state.bricks[state.bricks.length - 1]);
      else if ((event.key === "Enter" || event.key === " ") && state.cursor) choose(state.cursor, true);
      else return;
      event.preventDefault();
    });
    map.addEventListener("focus", () => { if (map.matches(":focus-visible") && Diagram.state.bricks.length) go(Diagram.step("")); });
    map.addEventListener("blur", () => { if (Diagram.state.cursor) { Diagram.state.cursor = null; Diagram.mark(); } });
    get("cell").addEventListener("keydown", (event) => {
      if (event.key === "Escape") { Diagram.state.cursor = open; map.focus(); }
    });
  }

  function print(on) {
    if (on === onPaper) return;
    onPaper = on;
    if (on) for (const one of document.querySelectorAll("details.printed")) one.open = true;
    applyTheme();
    if (!view) return;
    const sized = (width, height) => (on ? { width, height } : { width: null, height: null, autosize: true });
    Plotly.relayout(get("map"), sized(680, 450));
    for (const one of document.querySelectorAll(".plot.js-plotly-plot")) Plotly.relayout(one, sized(660, 380));
  }

  get("theme").hidden = false;
  get("theme").addEventListener("click", () => { wanted = themeName() === "dark" ? "light" : "dark"; applyTheme(); });
  dark.addEventListener("change", applyTheme);
  applyTheme();
  get("loading").hidden = false;
  if (!("DecompressionStream" in window)) {
    get("loading").textContent = "The diagram needs a browser of 2023 or later. The verdict and all tables do not.";
    return;
  }
  const [library, text] = await Promise.all([unpack("library"), unpack("data")]);
  const script = document.createElement("script");
  script.textContent = library;
  document.head.append(script);
  data = JSON.parse(text);
  Pivot.load(data);
  Details.load(data);
  Diagram.load(data);
  Scaled.load(data);
  view = { x: Pivot.axis("group") ? "group" : "group_order", y: data.sizes[0].name, colour: "accuracy", filters: {} };
  get("loading").hidden = true;
  get("explorer").hidden = false;
  settle();
  buildControls();
  buildOverlays();
  if (data.collapses.length > 1) {
    const named = data.collapses.map((one, i) => [i, one.setting]);
    get("scaled-choices").append(select("setting", named, 0, (value) => { Scaled.choose(+value); Scaled.draw(colours()); }));
  }
  redraw();
  keyboard();
  printing.addEventListener("change", (event) => print(event.matches));
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
  root.dataset.ready = "yes";
})();
