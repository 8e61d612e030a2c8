"use strict";
// Cells gathered over whatever the view pools, and laid out as bricks for a heatmap.
const Pivot = (() => {
  let data, all, runsOf;

  const size = {
    n_train: (n) => n,
    train_fraction: (n, M, tuples) => n / tuples,
    n_over_m_log_m: (n, M) => n / (M * Math.log(M)),
  };

  function load(found) {
    data = found;
    all = data.cells.M.map((_, i) => i);
    runsOf = new Map();
    data.runs.cell.forEach((cell, run) => {
      if (!runsOf.has(cell)) runsOf.set(cell, []);
      runsOf.get(cell).push(run);
    });
  }

  const isSize = (name) => name in size;
  const axis = (name) => data.axes.find((one) => one.name === name);
  const label = (name) => (isSize(name) ? data.sizes.find((one) => one.name === name) : axis(name)).label;

  // Positive numbers lie on a logarithmic axis, all else on one of names, equally spaced.
  function isLog(name) {
    if (isSize(name)) return true;
    return axis(name).levels.every((value) => typeof value === "number" && value > 0);
  }

  const place = (name, number) => (isLog(name) ? Math.log(axis(name).levels[number]) : number);

  function edges(sorted, log) {
    if (!log) return [sorted[0] - 0.5, ...sorted.map((value) => value + 0.5)];
    if (sorted.length === 1) return [sorted[0] - 0.05, sorted[0] + 0.05];
    const gaps = sorted.slice(1).map((value, i) => value - sorted[i]).sort((a, b) => a - b);
    const half = gaps[gaps.length >> 1] / 2;
    const inner = sorted.slice(1).map((value, i) => (value + sorted[i]) / 2);
    return [sorted[0] - half, ...inner, sorted[sorted.length - 1] + half];
  }

  function matches(view, where) {
    return Object.entries(view.filters).every(([name, number]) => number < 0 || !(name in where) || where[name] === number);
  }

  function chosen(view) {
    const filters = Object.entries(view.filters).filter(([, number]) => number >= 0);
    return all.filter((i) => filters.every(([name, number]) => data.cells[name][i] === number));
  }

  // Groups of one order stand side by side, each in a part of the order's column.
  const partOf = (view, of) => (view.x === "group_order" && axis("group") ? of.group : 0);

  // One entry a brick: where it lies and what its cells add up to.
  function gather(view) {
    const { cells } = data, bricks = new Map();
    for (const i of chosen(view)) {
      const column = cells[view.x][i], part = axis("group") ? partOf(view, { group: cells.group[i] }) : 0;
      const y = isSize(view.y) ? Math.log(size[view.y](cells.n[i], cells.M[i], cells.tuples[i])) : place(view.y, cells[view.y][i]);
      const key = column + "/" + part + "/" + y.toFixed(6);
      if (!bricks.has(key)) bricks.set(key, { column, part, x: place(view.x, column), y, cells: [] });
      bricks.get(key).cells.push(i);
    }
    const found = [...bricks.values()].sort((a, b) => a.x - b.x || a.part - b.part || a.y - b.y);
    found.forEach((brick, number) => Object.assign(brick, { number }, total(brick.cells)));
    return found;
  }

  function total(cells) {
    const found = { runs: 0, counts: {}, phases: {}, accuracy: null, steps: null, n: [Infinity, 0], M: new Set(), groups: new Set(), tuples: null };
    let measured = 0, accuracy = 0, won = 0, steps = 0;
    for (const i of cells) {
      found.runs += data.cells.runs[i];
      for (const name of data.outcomes) {
        const count = data.cells[name][i];
        if (count) found.counts[name] = (found.counts[name] || 0) + count;
      }
      for (const [name, counts] of Object.entries(data.phases)) {
        if (counts[i]) found.phases[name] = (found.phases[name] || 0) + counts[i];
      }
      if (data.cells.accuracy[i] !== null) {
        const weight = data.cells.runs[i] - data.cells.failed[i];
        measured += weight; accuracy += weight * data.cells.accuracy[i];
      }
      if (data.cells.steps[i] !== null) {
        const weight = Math.max(1, data.cells.generalized[i]);
        won += weight; steps += weight * data.cells.steps[i];
      }
      found.n = [Math.min(found.n[0], data.cells.n_low[i]), Math.max(found.n[1], data.cells.n_high[i])];
      found.M.add(data.cells.M[i]);
      if (axis("group")) found.groups.add(axis("group").levels[data.cells.group[i]]);
      found.tuples = data.cells.tuples[i];
    }
    if (measured) found.accuracy = accuracy / measured;
    if (won) found.steps = steps / won;
    return found;
  }

  // Edges of bricks, in the axis's own measure: their column's, and half-way to their neighbours.
  // middles has that of each part of a column.
  function layout(view, bricks) {
    const columns = [...new Set(bricks.map((brick) => brick.x))].sort((a, b) => a - b);
    const outer = edges(columns, isLog(view.x));
    const rows = isSize(view.y) ? null : edges([...new Set(bricks.map((b) => b.y))].sort((a, b) => a - b), isLog(view.y));
    const across = [outer[0]], middles = new Map();
    columns.forEach((x, at) => {
      const here = bricks.filter((brick) => brick.x === x);
      const parts = [...new Set(here.map((brick) => brick.part))];
      const width = (outer[at + 1] - outer[at]) / parts.length;
      parts.forEach((part, i) => {
        const left = across[across.length - 1], right = outer[at] + (i + 1) * width;
        const own = here.filter((brick) => brick.part === part);
        const ends = rows ? null : edges(own.map((brick) => brick.y), true);
        own.forEach((brick, j) => {
          Object.assign(brick, { place: across.length - 1, left, right });
          const low = rows ? rows.findLastIndex((edge) => edge < brick.y) : j;
          brick.bottom = (rows || ends)[low]; brick.top = (rows || ends)[low + 1];
        });
        middles.set(own[0].column + "/" + part, parts.length > 1 ? (left + right) / 2 : x);
        across.push(right);
      });
    });
    return { across, up: mesh(bricks), middles };
  }

  // Where on the axis across a threshold or a law's group lies.
  function middle(view, { middles }, where) {
    const found = middles.get(where[view.x] + "/" + partOf(view, where));
    return found === undefined ? place(view.x, where[view.x]) : found;
  }

  const FINEST = 900;
  function mesh(bricks) {
    const values = [...new Set(bricks.flatMap((b) => [b.bottom, b.top]).map((y) => +y.toFixed(7)))].sort((a, b) => a - b);
    if (values.length <= FINEST) return values;
    const low = values[0], high = values[values.length - 1];
    return Array.from({ length: FINEST + 1 }, (_, i) => low + (high - low) * i / FINEST);
  }

  // Rows by columns of brick numbers, −1 where nothing was run.
  function raster(bricks, { across, up }) {
    const grid = up.slice(1).map(() => new Array(across.length - 1).fill(-1));
    for (const brick of bricks) {
      for (let row = 0; row < grid.length; row++) {
        const middle = (up[row] + up[row + 1]) / 2;
        if (middle > brick.bottom && middle < brick.top) grid[row][brick.place] = brick.number;
      }
    }
    return grid;
  }

  const runs = (brick) => brick.cells.flatMap((cell) => runsOf.get(cell) || []);
  const settings = (view) => data.settings.filter((one) => matches(view, one.where));
  const thresholds = (view) => data.thresholds.filter((one) => matches(view, one.where));

  // n_c / (M log M) over the thresholds of a brick; null without any.
  function thresholdOf(view, brick) {
    const here = { ...view, filters: { ...view.filters, [view.x]: brick.column } };
    if (!isSize(view.y)) here.filters[view.y] = data.cells[view.y][brick.cells[0]];
    const found = thresholds(here).filter((one) => one.n_c !== null);
    if (!found.length) return null;
    return Math.exp(found.reduce((sum, one) => sum + Math.log(size.n_over_m_log_m(one.n_c, one.M)), 0) / found.length);
  }

  return { load, size, isSize, isLog, axis, label, gather, layout, middle, raster, runs, settings, thresholds, thresholdOf };
})();
