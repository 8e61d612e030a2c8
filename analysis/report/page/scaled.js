"use strict";
// The collapse of the accuracies: as they are, and scaled onto one curve.
const Scaled = (() => {
  const STOPS = [[43, 108, 212], [138, 92, 190], [209, 73, 91], [238, 155, 0]];
  const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x", "star"];
  let plots = [], number = 0;

  const load = (found) => { plots = found.collapses; };
  const choose = (value) => { number = value; };

  // From blue for the smallest order to yellow for the largest.
  function colour(share) {
    const at = share * (STOPS.length - 1), low = Math.min(Math.floor(at), STOPS.length - 2);
    const mixed = STOPS[low].map((value, i) => Math.round(value + (at - low) * (STOPS[low + 1][i] - value)));
    return `rgb(${mixed.join(",")})`;
  }

  function draw(theme) {
    const place = document.getElementById("scaled");
    if (!place || !plots.length) return;
    place.hidden = false;
    const plot = plots[number];
    document.getElementById("scaled-of").textContent = `${plot.setting}. Left as they are, right scaled${plot.quotable ? "" : ", though 1/ν may not be quoted"}.`;
    figure("raw-plot", plot, theme, "n / n_c − 1", (one) => one.ratio.map((value) => value - 1));
    figure("scaled-plot", plot, theme, "(n / n_c − 1) · (M / M*)^(1/ν)", (one) => one.x);
  }

  function figure(id, { orders }, theme, title, across) {
    const traces = orders.map((one, i) => {
      const paint = colour(orders.length > 1 ? i / (orders.length - 1) : 0), name = Diagram.safe(one.group);
      return {
        x: across(one), y: one.y, name, mode: "lines+markers", line: { color: paint, width: 1.2 },
        marker: { color: paint, size: 7, symbol: SYMBOLS[i % SYMBOLS.length] },
        error_y: { type: "data", array: one.error, color: paint, thickness: 1, width: 0 },
        text: one.n.map((n, j) => `${name}, n = ${Diagram.whole(n)}: ${(100 * one.y[j]).toFixed(1)} ± ${(100 * one.error[j]).toFixed(1)} % of the way`),
        hovertemplate: "%{text}<extra></extra>",
      };
    });
    const axis = { color: theme.text, gridcolor: theme.line, zerolinecolor: theme.soft, automargin: true };
    const layout = {
      paper_bgcolor: theme.ground, plot_bgcolor: theme.ground, font: { family: "system-ui, DejaVu Sans, sans-serif", size: 12, color: theme.text },
      margin: { l: 52, r: 10, t: 8, b: 44 }, hovermode: "closest",
      hoverlabel: { bgcolor: theme.panel, bordercolor: theme.soft, font: { color: theme.text } },
      xaxis: { ...axis, title: { text: title } },
      yaxis: { ...axis, zeroline: false, range: [-0.12, 1.15], tickformat: ".0%", title: { text: "accuracy, from chance to target" } },
      showlegend: true, legend: { orientation: "h", y: -0.26, yanchor: "top", font: { size: 11 } },
    };
    const made = document.getElementById(id);
    Plotly.react(made, traces, layout, { displaylogo: false, responsive: true, displayModeBar: false });
    made.setAttribute("aria-label", `Accuracy against ${title}, ${orders.length} orders`);
  }

  return { load, choose, draw };
})();
