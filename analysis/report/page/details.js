"use strict";
// What a chosen cell holds: learning curves and records.
const Details = (() => {
  const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#7f7f7f"];
  const MOST_ROWS = 60, MOST_CURVES = 16, MOST_NAMED = 6;
  const COLUMNS = [
    ["fingerprint", "fingerprint", (value) => value.slice(0, 10)],
    ["n_train", "n", Diagram.whole],
    ["split_seed", "split seed", String],
    ["init_seed", "init seed", String],
    ["outcome", "outcome", String],
    ["fit_step", "fits at", Diagram.whole],
    ["generalization_step", "generalizes at", Diagram.whole],
    ["final_step", "ends at", Diagram.whole],
    ["best_test_accuracy", "best test acc.", (value) => value.toFixed(3)],
    ["test_accuracy", "test acc.", (value) => value.toFixed(3)],
    ["train_accuracy", "training acc.", (value) => value.toFixed(3)],
    ["wall_time_s", "seconds", (value) => Diagram.digits(value)],
  ];
  let data;

  const load = (found) => { data = found; };
  const element = (name, text, attributes = {}) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };

  function show(brick, view, theme) {
    const lines = Diagram.describe(view, brick);
    const runs = Pivot.runs(brick).sort((a, b) => data.runs.n_train[a] - data.runs.n_train[b] || data.runs.split_seed[a] - data.runs.split_seed[b]);
    const heading = document.getElementById("cell-heading");
    heading.textContent = lines[0];
    const shown = Math.min(runs.length, MOST_ROWS);
    const rest = brick.runs > shown ? ` Of its ${Diagram.whole(brick.runs)} runs ${Diagram.whole(shown)} are listed; the others are in the records.` : "";
    document.getElementById("cell-text").textContent = lines.slice(1).join("; ") + "." + rest;
    curves(spread(runs.filter((run) => data.runs.curve[run] >= 0), MOST_CURVES), theme);
    document.getElementById("records").replaceChildren(table(runs.slice(0, MOST_ROWS)));
  }

  // So many of a list, from its first to its last.
  function spread(list, most) {
    if (list.length <= most) return list;
    return Array.from({ length: most }, (_, i) => list[Math.round((i * (list.length - 1)) / (most - 1))]);
  }

  function table(runs) {
    const made = element("table");
    made.append(element("caption", "Records"));
    const head = element("tr");
    for (const [, label] of COLUMNS) head.append(element("th", label, { scope: "col" }));
    const body = element("tbody");
    for (const run of runs) {
      const row = element("tr");
      for (const [name, , words] of COLUMNS) {
        const value = data.runs[name][run];
        const cell = element(name === "fingerprint" ? "th" : "td", value === null ? "–" : words(value));
        if (name === "fingerprint") { cell.setAttribute("scope", "row"); cell.title = value; }
        row.append(cell);
      }
      body.append(row);
    }
    const top = element("thead");
    top.append(head);
    made.append(top, body);
    return made;
  }

  function curves(runs, theme) {
    const place = document.getElementById("curves");
    if (!runs.length) {
      Plotly.purge(place);
      place.replaceChildren(element("p", "The page has no learning curve of this cell.", { class: "note" }));
      place.classList.remove("drawn");
      return;
    }
    if (!place.classList.contains("js-plotly-plot")) place.replaceChildren();
    place.classList.add("drawn");
    const traces = runs.flatMap((run, i) => {
      const [steps, test, train] = data.curves[data.runs.curve[run]];
      const colour = COLOURS[i % COLOURS.length];
      const accuracy = (values) => values.map((value) => (value < 0 ? null : value / 10000));
      const name = `n = ${Diagram.whole(data.runs.n_train[run])}, seeds ${data.runs.split_seed[run]}/${data.runs.init_seed[run]}: ${data.runs.outcome[run]}`;
      const found = [
        { x: steps, y: accuracy(train), name: name + ", training", legendgroup: run, showlegend: false, mode: "lines", line: { color: colour, width: 1, dash: "dot" }, hovertemplate: `${name}<br>step %{x:,}: training accuracy %{y:.3f}<extra></extra>` },
        { x: steps, y: accuracy(test), name, legendgroup: run, mode: "lines", line: { color: colour, width: 2, dash: i < COLOURS.length ? "solid" : "dash" }, hovertemplate: `${name}<br>step %{x:,}: test accuracy %{y:.3f}<extra></extra>` },
      ];
      const turn = steps.indexOf(data.runs.generalization_step[run]);
      if (turn >= 0) found.push({ x: [steps[turn]], y: [test[turn] / 10000], mode: "markers", legendgroup: run, showlegend: false, marker: { size: 9, color: colour, line: { color: theme.text, width: 1.2 } }, hovertemplate: `${name}<br>generalizes at step %{x:,}<extra></extra>` });
      return found;
    });
    const axis = { color: theme.text, gridcolor: theme.line, zeroline: false, automargin: true };
    const layout = {
      paper_bgcolor: theme.ground, plot_bgcolor: theme.ground, font: { family: "system-ui, DejaVu Sans, sans-serif", size: 12, color: theme.text },
      margin: { l: 52, r: 10, t: 8, b: 44 }, hovermode: "closest",
      hoverlabel: { bgcolor: theme.panel, bordercolor: theme.soft, font: { color: theme.text } },
      xaxis: { ...axis, type: "log", title: { text: "step" }, dtick: 1, tickformat: ",d" },
      yaxis: { ...axis, range: [-0.03, 1.05], tickformat: ".0%", title: { text: "accuracy (dotted: training)" } },
      shapes: [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: data.target, y1: data.target, line: { color: theme.soft, width: 1, dash: "dash" } }],
      showlegend: runs.length <= MOST_NAMED,
      legend: { orientation: "h", y: -0.2, yanchor: "top", font: { size: 11 } },
    };
    Plotly.react(place, traces, layout, { displaylogo: false, responsive: true, displayModeBar: false });
    place.setAttribute("aria-label", `Learning curves of ${runs.length} runs: test and training accuracy against the step`);
  }

  return { load, show };
})();
