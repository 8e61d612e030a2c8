"use strict";
// The phase diagram: colours, laws and thresholds over it, and the cursor.
const Diagram = (() => {
  const CIVIDIS = [[0, "#00224e"], [0.125, "#123570"], [0.25, "#3b496c"], [0.375, "#575d6d"], [0.5, "#707173"], [0.625, "#8a8678"], [0.75, "#a59c74"], [0.875, "#c3b369"], [1, "#fee838"]];
  const PHASES = { comprehension: "#029e73", grokking: "#56b4e9", unresolved: "#f3e7a9", memorization: "#de8f05", collapse: "#cc78bc", confusion: "#595959" };
  const OUTCOMES = { generalized: "#029e73", unresolved: "#f3e7a9", memorized: "#de8f05", underfit: "#595959", diverged: "#cc78bc", stopped: "#7f9fd0", failed: "#d62728" };
  // Of names as frequent in a brick the first one here.
  const most = (counts, names) => names.reduce((best, name) => ((counts[name] || 0) > (best ? counts[best] : 0) ? name : best), null);
  const COLOURS = {
    accuracy: { label: "best test accuracy, mean", of: (brick) => brick.accuracy, range: [0, 1] },
    share: { label: "share that generalized", of: (brick) => (brick.counts.generalized || 0) / brick.runs, range: [0, 1] },
    phase: { label: "most frequent phase", kinds: PHASES, of: (brick) => most(brick.phases, Object.keys(PHASES)) },
    outcome: { label: "most frequent outcome", kinds: OUTCOMES, of: (brick) => most(brick.counts, Object.keys(OUTCOMES)) },
    steps: { label: "step of generalizing, mean", of: (brick) => brick.steps && Math.log10(brick.steps), log: true },
    threshold: { label: "threshold n_c / (M log M)", of: (brick, view) => Pivot.thresholdOf(view, brick) },
  };
  const LAWS = {
    "Theorem 4": { label: "Theorem 4, fitted, with its 95 % band (scatter)", colour: "#d62728", dash: "solid", on: true },
    "power law": { label: "power law, fitted, with its 95 % band (scatter)", colour: "#1f9bff", dash: "dash", on: false },
    "M log M": { label: "M log M, best constant", colour: "#e377c2", dash: "dot", on: false },
    paper: { label: "2.7482 M log M of the paper's code", colour: "#ffffff", dash: "dashdot", on: false },
    thresholds: { label: "thresholds n_c, with all seeds' brackets", colour: "#ffffff", dash: null, on: true },
  };
  // Named one by one: plotly has some that lead to its makers' site.
  const BUTTONS = [["toImage", "zoom2d", "pan2d", "resetScale2d"]];
  const digits = (value, many = 3) => value.toLocaleString("en-US", { maximumSignificantDigits: many, useGrouping: value >= 1000 });
  const whole = (value) => Math.round(value).toLocaleString("en-US");
  // Plotly reads some HTML in its labels: what comes from records must not be it.
  const safe = (text) => String(text).replace(/[&<>]/g, (mark) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[mark]);

  // The 95 % Wilson interval of a share, in percent.
  function wilson(count, of) {
    const z = 1.959964, p = count / of, s = 1 + (z * z) / of;
    const middle = (p + (z * z) / (2 * of)) / s, half = (z * Math.sqrt((p * (1 - p)) / of + (z * z) / (4 * of * of))) / s;
    return `${whole(100 * p)} %, ${whole(100 * (middle - half))} to ${whole(100 * (middle + half))} %`;
  }

  let state = null, data;
  const load = (found) => { data = found; };

  function describe(view, brick) {
    const value = Pivot.axis(view.x).levels[brick.column];
    const lines = [];
    const M = brick.M.size === 1 ? [...brick.M][0] : null;
    const [low, high] = brick.n;
    const n = low === high ? `n = ${whole(low)}` : `n = ${whole(low)} to ${whole(high)}`;
    const group = brick.groups.size === 1 ? [...brick.groups][0] : null;
    lines.push(group ? `${group}, M = ${M}, ${n}` : M ? `M = ${M}, ${n}` : n);
    if (view.x !== "group_order" && view.x !== "group") lines.push(`${Pivot.label(view.x)}: ${value}`);
    if (!Pivot.isSize(view.y) && view.y !== "group_order") lines.push(`${Pivot.label(view.y)}: ${Pivot.isLog(view.y) ? digits(Math.exp(brick.y)) : Pivot.axis(view.y).levels[Math.round(brick.y)]}`);
    if (M && low === high) lines.push(`n/(M log M) = ${digits(Pivot.size.n_over_m_log_m(low, M))}, training fraction ${digits(low / brick.tuples)}`);
    const outcomes = Object.entries(brick.counts).map(([name, count]) => `${whole(count)} ${name}`).join(", ");
    lines.push(`${whole(brick.runs)} run${brick.runs === 1 ? "" : "s"}: ${outcomes}`);
    if (state.colour === COLOURS.phase) {
      const of = Object.values(brick.phases).reduce((sum, count) => sum + count, 0);
      for (const name of Object.keys(PHASES)) if (brick.phases[name]) lines.push(`${name}: ${whole(brick.phases[name])} of ${whole(of)} (${wilson(brick.phases[name], of)})`);
    }
    if (brick.accuracy !== null) lines.push(`best test accuracy ${brick.accuracy.toFixed(3)}${brick.runs > 1 ? ", mean" : ""}`);
    if (brick.steps !== null) lines.push(`generalized at step ${whole(brick.steps)}${brick.runs > 1 ? ", mean" : ""}`);
    const n_c = state.colour === COLOURS.threshold ? Pivot.thresholdOf(view, brick) : null;
    if (n_c) lines.push(`n_c/(M log M) = ${digits(n_c)}, geometric mean`);
    return lines;
  }

  const real = (name, value) => (Pivot.isLog(name) ? Math.exp(value) : value);
  const shown = (view, n, M, tuples) => Pivot.size[view.y](n, M, tuples);

  function lineTraces(view, setting, toggles) {
    if (view.x !== "group_order" || !Pivot.isSize(view.y) || !setting) return [];
    return setting.lines.filter((line) => toggles[line.kind]).flatMap((line) => {
      const { colour, dash } = LAWS[line.kind];
      const y = (values) => values.map((n, i) => (n === null ? null : shown(view, n, line.M[i], line.M[i] ** setting.power)));
      const dims = setting.lines.filter((one) => one.kind === line.kind).length;
      const name = safe(line.name + (dims > 1 ? `, ${line.kind === "paper" ? "d_k" : "d"} = ${line.dim}` : ""));
      const common = { type: "scatter", mode: "lines", x: line.M, hoverinfo: "skip", showlegend: false };
      const found = [];
      if (line.low) {
        found.push({ ...common, y: y(line.low), line: { width: 0.8, color: colour } });
        found.push({ ...common, y: y(line.high), line: { width: 0.8, color: colour }, fill: "tonexty", fillcolor: colour + "40" });
      }
      found.push({ ...common, y: y(line.n), line: { width: 4, color: line.kind === "paper" ? "#00000090" : "#ffffffb0" } });
      found.push({ ...common, name, y: y(line.n), line: { width: 2.2, color: colour, dash } });
      return found;
    });
  }

  // Over groups a law is a bar at each, and its band a thin one.
  function groupTraces(view, setting, toggles, edges) {
    if (view.x !== "group" || !Pivot.isSize(view.y) || !setting) return [];
    const groups = data.groups.map((one, i) => ({ ...one, at: i })).filter((one) => edges.middles.has(one.at + "/0"));
    return setting.lines.map((line) => line.kind).filter((kind, i, all) => all.indexOf(kind) === i && toggles[kind]).flatMap((kind) => {
      const x = [], y = [], up = [], down = [];
      for (const { M, dim, d_k, at } of groups) {
        const line = setting.lines.find((one) => one.kind === kind && one.dim === (kind === "paper" ? d_k : dim));
        if (!line || M < line.M[0] * 0.999 || M > line.M[line.M.length - 1] * 1.001) continue;
        const value = (values) => shown(view, along(line.M, values, M), M, M ** setting.power);
        x.push(at); y.push(value(line.n));
        up.push(line.high ? value(line.high) - value(line.n) : 0); down.push(line.low ? value(line.n) - value(line.low) : 0);
      }
      const { colour } = LAWS[kind];
      return x.length ? [{
        type: "scatter", mode: "markers", name: safe(setting.lines.find((one) => one.kind === kind).name), x, y, hoverinfo: "skip", showlegend: false,
        marker: { symbol: "line-ew", size: 24, line: { color: colour, width: 3.5 } },
        error_y: { type: "data", symmetric: false, array: up, arrayminus: down, color: colour, thickness: 1.5, width: 8 },
      }] : [];
    });
  }

  // Between the points of a line, straight in logarithms.
  function along(M, values, at) {
    const right = Math.max(1, Math.min(M.length - 1, M.findIndex((one) => one >= at * 0.9999)));
    const share = M[right] > M[right - 1] ? Math.log(at / M[right - 1]) / Math.log(M[right] / M[right - 1]) : 0;
    return values[right - 1] * (values[right] / values[right - 1]) ** share;
  }

  function thresholdTraces(view, toggles, edges) {
    if (!toggles.thresholds || !Pivot.isSize(view.y)) return [];
    const marks = Pivot.thresholds(view);
    const x = (mark) => real(view.x, Pivot.middle(view, edges, mark.where));
    const y = (mark, n) => shown(view, n, mark.M, mark.tuples);
    const measured = marks.filter((mark) => mark.n_c !== null && mark.low !== null && mark.high !== null);
    const text = measured.map((mark) => `threshold of ${safe(mark.task)}: n_c = ${digits(mark.n_c, 4)}<br>n_c/(M log M) = ${digits(mark.n_c / (mark.M * Math.log(mark.M)))}<br>brackets within ${whole(mark.low)} to ${whole(mark.high)}, ${mark.seeds} of ${mark.of} seeds`);
    const up = (mark) => y(mark, mark.high) - y(mark, mark.n_c);
    const down = (mark) => y(mark, mark.n_c) - y(mark, mark.low);
    const found = [{
      type: "scatter", mode: "markers", name: "thresholds", x: measured.map(x), y: measured.map((mark) => y(mark, mark.n_c)), text,
      hovertemplate: "%{text}<extra></extra>", showlegend: false,
      error_y: { type: "data", symmetric: false, array: measured.map(up), arrayminus: measured.map(down), color: "#000000", thickness: 1.6, width: 4 },
      marker: { size: 9, color: "#ffffff", line: { color: "#000000", width: 1.5 } },
    }];
    for (const [way, end, symbol] of [["above", "low", "triangle-up"], ["below", "high", "triangle-down"]]) {
      const part = marks.filter((mark) => mark.way === way && mark[end] !== null);
      if (part.length) {
        found.push({
          type: "scatter", mode: "markers", name: way, x: part.map(x), y: part.map((mark) => y(mark, mark[end])),
          text: part.map((mark) => `${safe(mark.task)}: the threshold of ${mark.of - mark.seeds} of ${mark.of} seeds lies ${way} what was run`),
          hovertemplate: "%{text}<extra></extra>", showlegend: false,
          marker: { symbol, size: 10, color: "#ff7f0e", line: { color: "#000000", width: 1 } },
        });
      }
    }
    return found;
  }

  function heatmap(view, bricks, edges, theme) {
    const grid = Pivot.raster(bricks, edges);
    const values = bricks.map((brick) => state.colour.of(brick, view));
    const texts = bricks.map((brick) => describe(view, brick).map(safe).join("<br>"));
    const pick = (from) => grid.map((row) => row.map((number) => (number < 0 ? null : from(number))));
    if (state.colour.kinds) return { ...kinds(values, pick), ...common(edges, view, pick, texts) };
    const known = values.filter((value) => value !== null && value !== undefined);
    const [zmin, zmax] = state.colour.range || [Math.min(...known, Infinity), Math.max(...known, -Infinity)];
    const ticks = state.colour.log ? [1, 2, 5].flatMap((m) => [0, 1, 2, 3, 4, 5, 6].map((e) => Math.log10(m) + e)).filter((t) => t >= zmin && t <= zmax).sort((a, b) => a - b) : null;
    return {
      ...common(edges, view, pick, texts), z: pick((number) => values[number]), colorscale: CIVIDIS, zmin: zmin < zmax ? zmin : zmin - 0.5, zmax: zmin < zmax ? zmax : zmax + 0.5,
      showscale: known.length > 0,
      colorbar: {
        title: { text: state.colour.label, side: "right", font: { size: 13 } }, thickness: 12, outlinewidth: 0, tickfont: { color: theme.text },
        ...(ticks ? { tickvals: ticks, ticktext: ticks.map((t) => whole(10 ** t)) } : {}),
      },
    };
  }

  const common = (edges, view, pick, texts) => ({
    type: "heatmap", x: edges.across.map((v) => real(view.x, v)), y: edges.up.map((v) => real(view.y, v)),
    text: pick((number) => texts[number]), customdata: pick((number) => number), hovertemplate: "%{text}<extra></extra>", hoverongaps: false,
  });

  // Names as colours: those that are there, with a step in the colour bar for each.
  function kinds(values, pick) {
    const there = Object.entries(state.colour.kinds).filter(([name]) => values.includes(name));
    const place = new Map(there.map(([name], i) => [name, i]));
    const scale = there.flatMap(([, colour], i) => [[i / there.length, colour], [(i + 1) / there.length, colour]]);
    return {
      z: pick((number) => place.get(values[number]) ?? null), colorscale: scale, zmin: -0.5, zmax: there.length - 0.5, showscale: there.length > 0,
      colorbar: { title: { text: "" }, thickness: 12, outlinewidth: 0, tickfont: { color: state.theme.text }, tickvals: there.map((_, i) => i), ticktext: there.map(([name]) => name), ticks: "" },
    };
  }

  function axisLayout(name, range, theme, vertical) {
    const common = {
      title: { text: Pivot.label(name), standoff: vertical ? 6 : 10 }, color: theme.text, showgrid: false, zeroline: false,
      ticks: "outside", ticklen: 4, tickcolor: theme.soft, linecolor: theme.soft, showline: true, mirror: true, automargin: true,
    };
    if (!Pivot.isLog(name)) {
      const { levels } = Pivot.axis(name);
      return { ...common, type: "linear", range, tickvals: levels.map((_, i) => i), ticktext: levels.map((value) => safe(value)) };
    }
    const log = { ...common, type: "log", range: range.map((value) => value / Math.LN10) };
    const low = Math.exp(range[0]), high = Math.exp(range[1]);
    const nice = Pivot.isSize(name) ? niceTicks(low, high) : apart(Pivot.axis(name).levels, high / low);
    return { ...log, tickvals: nice, ticktext: nice.map((value) => digits(value, 4)), minor: { ticks: "" } };
  }

  function niceTicks(low, high) {
    const steps = high / low > 30 ? [1, 2, 5] : high / low > 4 ? [1, 1.5, 2, 3, 4, 5, 7] : [1, 1.2, 1.4, 1.6, 1.8, 2, 2.2, 2.4, 2.6, 2.8, 3, 3.2, 3.4, 3.6, 3.8, 4, 4.5, 5, 5.5, 6, 6.5, 7, 8, 9];
    const found = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++) {
      for (const step of steps) {
        const value = +(step * 10 ** e).toPrecision(6);
        if (value >= low && value <= high) found.push(value);
      }
    }
    return found;
  }

  // Values far enough apart on a logarithmic axis for their numbers not to touch.
  function apart(values, span) {
    const gap = Math.log(span) / 14, found = [];
    for (const value of values) if (!found.length || Math.log(value / found[found.length - 1]) >= gap) found.push(value);
    return found;
  }

  function draw(element, view, toggles, theme, onPaper) {
    const bricks = Pivot.gather(view);
    const settings = Pivot.settings(view);
    state = { element, view, theme, bricks, colour: COLOURS[view.colour], cursor: null, selected: null, onPaper };
    if (!bricks.length) return state;
    const edges = Pivot.layout(view, bricks);
    const setting = settings.length === 1 ? settings[0] : null;
    const lines = [...lineTraces(view, setting, toggles), ...groupTraces(view, setting, toggles, edges)], marks = thresholdTraces(view, toggles, edges);
    const narrow = element.clientWidth < 520;
    const map = heatmap(view, bricks, edges, theme);
    if (narrow) Object.assign(map.colorbar, { orientation: "h", y: -0.22, yanchor: "top", title: { ...map.colorbar.title, side: "top" } });
    const layout = {
      paper_bgcolor: theme.ground, plot_bgcolor: theme.empty, font: { family: "system-ui, DejaVu Sans, sans-serif", size: 13, color: theme.text },
      margin: { l: 56, r: 8, t: 30, b: 48 }, hovermode: "closest", dragmode: "zoom", shapes: [],
      hoverlabel: { bgcolor: theme.panel, bordercolor: theme.soft, font: { color: theme.text, size: 13 }, align: "left" },
      xaxis: axisLayout(view.x, [edges.across[0], edges.across[edges.across.length - 1]], theme, false),
      yaxis: axisLayout(view.y, [edges.up[0], edges.up[edges.up.length - 1]], theme, true),
    };
    Plotly.react(element, [map, ...lines, ...marks], layout, { displaylogo: false, responsive: true, modeBarButtons: BUTTONS });
    state.setting = setting;
    return state;
  }

  function outline(brick, colour, dash) {
    const box = { type: "rect", layer: "above", x0: real(state.view.x, brick.left), x1: real(state.view.x, brick.right), y0: real(state.view.y, brick.bottom), y1: real(state.view.y, brick.top) };
    return [{ ...box, line: { color: "#000000", width: 5 } }, { ...box, line: { color: colour, width: 2.5, dash } }];
  }

  function mark() {
    const shapes = [];
    if (!state.bricks.length) return;
    if (state.selected && !state.onPaper) shapes.push(...outline(state.selected, "#ffffff", "solid"));
    if (state.cursor) shapes.push(...outline(state.cursor, "#ffd166", "solid"));
    Plotly.relayout(state.element, { shapes });
  }

  // The brick next to the cursor; across columns the one at the nearest height.
  function step(key) {
    const { bricks, cursor } = state;
    if (!cursor) return state.selected || bricks[0];
    const own = bricks.filter((brick) => brick.place === cursor.place);
    const at = own.indexOf(cursor);
    if (key === "ArrowUp") return own[Math.min(at + 1, own.length - 1)];
    if (key === "ArrowDown") return own[Math.max(at - 1, 0)];
    const next = cursor.place + (key === "ArrowRight" ? 1 : -1);
    const there = bricks.filter((brick) => brick.place === next);
    if (!there.length) return cursor;
    return there.reduce((best, brick) => (Math.abs(brick.y - cursor.y) < Math.abs(best.y - cursor.y) ? brick : best));
  }

  return { COLOURS, LAWS, load, draw, mark, step, describe, safe, whole, digits, get state() { return state; } };
})();
