"""The energy of every neuron over training, and how flat it is where they end."""

from collections.abc import Iterator, Sequence
from typing import Any

import click
import numpy as np
import pandas as pd
import torch
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from analysis.figures.style import PANEL, SIZE_COLOURS, log_edges, styled
from benchmarks.dynamics.kept import Kept
from benchmarks.dynamics.training import matrices, settled, spaced, trained
from benchmarks.setting import Shape, trial
from sweeper.learn.data import training_sets
from sweeper.learn.probes.basis import IrrepBasis
from sweeper.learn.probes.energy import TOP, flat_directions, heights
from sweeper.learn.probes.snapshot import Snapshot, TrainingPairs
from sweeper.spec.trial import Trial
from sweeper.tasks.energy import PairEnergy, feature
from sweeper.tasks.groups import group_named

NETS = ("Z23:529", "Z23:220", "S4:576", "Z7:Z3:441")
LARGEST = 48
"""Neurons whose Hessian is computed."""

NEARLY_FLAT = 0.05
"""Of a learned neuron, a curvature that counts as 0, over 4E."""


def snapshot_of(one: Trial, weights: torch.Tensor) -> Snapshot:
    """What the probes look at, of one trial of the two-layer net; float64."""
    W, V = matrices(one, weights)
    pairs = TrainingPairs.of(one.group_order, training_sets([one]), W)
    ridge = torch.tensor([one.n_train * one.weight_decay / 2], dtype=torch.float64)
    return Snapshot(pairs, IrrepBasis.of(group_named(one.group), W), W[None], V[None], ridge)


def measure(
    nets: Sequence[str], hidden_size: int, seed: int, max_steps: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train each net in the reference setting.

    Args:
        nets: Group and n_train, with a colon between.
        hidden_size: K.
        seed: Of split and first weights.
        max_steps: Of each.

    Returns:
        One row an active neuron and step: its height (in M/8, see `heights`), 1/d of its irrep, its
        purity. And one row a neuron at the end: how many directions are flat, the largest
        curvature, both on all pairs.
    """
    over_steps, at_end = [], []
    for net in nets:
        name, n = net.rsplit(":", 1)
        group = group_named(name)
        one = trial(
            Shape(group.order, hidden_size, int(n), max_steps), seed, group=name, split_seed=seed
        )
        with settled():
            for step, _, weights in trained(one, spaced(max_steps, 40)):
                snapshot = snapshot_of(one, weights)
                over_steps.append(_neurons(snapshot).assign(net=net, step=step))
        energy = PairEnergy.of(group.table, np.arange(group.order**2))
        largest = snapshot.sizes[0].topk(min(LARGEST, hidden_size)).indices.tolist()
        place, purity = (found[0].numpy() for found in snapshot.dominant)
        W = snapshot.W[0].numpy()
        for j in largest:
            if not snapshot.active[0, j]:
                continue
            irrep = snapshot.basis.names[place[j]]
            flat, curvature = flat_directions(energy, W[:, j], NEARLY_FLAT)
            at_end.append((net, irrep, purity[j], flat, curvature))
    columns = ["net", "irrep", "purity", "flat", "largest_curvature"]
    return pd.concat(over_steps, ignore_index=True), pd.DataFrame(at_end, columns=columns)


def _neurons(snapshot: Snapshot) -> pd.DataFrame:
    active = snapshot.active[0].numpy()
    place, purity = (found[0].numpy()[active] for found in snapshot.dominant)
    return pd.DataFrame(
        {
            "height": heights(snapshot)[0].numpy()[active].astype(np.float32),
            "top": snapshot.basis.heights.numpy()[place].astype(np.float32),
            "irrep": np.array(snapshot.basis.names)[place],
            "purity": purity.astype(np.float32),
        }
    )


def draw(found: pd.DataFrame) -> Figure:
    """A histogram of heights at every step, a panel a net, with the maxima of Theorem 2."""
    nets = found["net"].unique()
    with styled():
        figure = Figure(
            figsize=(2 * PANEL[0], PANEL[1] * np.ceil(len(nets) / 2)), layout="constrained"
        )
        panels = figure.subplots(-(-len(nets) // 2), 2, squeeze=False)
        bins = np.arange(-0.0125, 1.1, 0.025)
        for axes, net in zip(panels.flat, nets, strict=False):
            name, n = net.rsplit(":", 1)
            rows = found[found["net"] == net]
            steps = np.sort(rows["step"].unique())
            shares = np.array(
                [
                    np.histogram(np.minimum(one["height"], 1.08), bins)[0] / len(one)
                    for _, one in rows.groupby("step")
                ]
            )
            mesh = axes.pcolormesh(
                log_edges(steps.astype(float)),
                bins,
                np.ma.masked_equal(shares.T, 0),
                cmap=SIZE_COLOURS,
                norm=LogNorm(0.004, 1),
            )
            group = group_named(name)
            tops = {8 * group.irreps.energies[i] / group.order for i in group.irreps.real[1:]}
            for top in tops:
                axes.axhline(top, color="black", linewidth=0.7, linestyle=":")
                axes.text(steps[0], top + 0.01, _height(top), fontsize=7.5)
            axes.set(xscale="log", xlabel="step", ylabel="energy of a neuron over M/8")
            what = "all pairs" if int(n) == group.order**2 else f"{n} of {group.order**2} pairs"
            axes.set_title(f"{name}, {what}", loc="left")
        figure.colorbar(mesh, ax=panels, label="share of the active neurons")
    return figure


def _height(top: float) -> str:
    return "M/8" if top == 1 else f"M/{8 / top:.0f}"


def show(neurons: pd.DataFrame, ends: pd.DataFrame, console: Console) -> None:
    """Print, for each net and irrep at the end, heights against the maximum and flatness."""
    last = neurons[neurons["step"] == neurons["step"].max()]
    table = Table(box=None, header_style="bold")
    for name in ("net", "irrep", "d_k", "maximum", "neurons", "height", "within 10 %", "purity",
                 "flat of a feature", "flat of neurons", "largest curvature"):  # fmt: skip
        table.add_column(name, justify="right")
    for (net, irrep), rows in last.groupby(["net", "irrep"]):
        group = group_named(str(net).rsplit(":", 1)[0])
        pure = rows[rows["purity"] >= 0.5]
        if not len(pure):
            continue
        end = ends[(ends["net"] == net) & (ends["irrep"] == irrep) & (ends["purity"] >= 0.5)]
        top = float(rows["top"].iloc[0])
        near = np.mean(np.abs(pure["height"] / top - 1) <= 0.1)
        height = (
            f"{pure['height'].mean():.3f} ({pure['height'].min():.3f}–{pure['height'].max():.3f})"
        )
        k = int(str(irrep))
        table.add_row(
            str(net), str(k), str(group.irreps.dims[k]), f"{top:.3f}", str(len(pure)), height,
            f"{near:.2f}", f"{pure['purity'].mean():.3f}", str(_feature_flat(group.name, k)),
            f"{end['flat'].min()}–{end['flat'].max()} of {len(end)}" if len(end) else "–",
            f"{end['largest_curvature'].max():.2g}" if len(end) else "–",
        )  # fmt: skip
    console.print(table)


def _feature_flat(name: str, irrep: int) -> int:
    """Flat directions of an exact feature, on all pairs."""
    group = group_named(name)
    w = feature(group.table, group.irreps, irrep, 1, np.random.default_rng(0))
    return flat_directions(PairEnergy.of(group.table, np.arange(group.order**2)), w)[0]


def show_heights(found: pd.DataFrame, console: Console) -> None:
    """Print each net's heights at some steps: quantiles over the active neurons."""
    table = Table(box=None, header_style="bold")
    for name in ("net", "step", "active", "5 %", "median", "95 %", f"above {TOP:g}"):
        table.add_column(name, justify="right")
    steps = np.sort(found["step"].unique()).tolist()
    shown = {*steps[::5], steps[-1]}
    for (net, step), rows in found.groupby(["net", "step"]):
        if step in shown:
            height = rows["height"].to_numpy()
            cells = [f"{x:.3f}" for x in (*np.quantile(height, [0.05, 0.5, 0.95]),)]
            over = f"{np.mean(height > TOP):.3f}"
            table.add_row(str(net), str(step), str(len(rows)), *cells, over)
    console.print(table)


def _both(kept: Kept, *what: Any) -> Iterator[pd.DataFrame]:  # noqa: ANN401, as `measure`
    made: list[pd.DataFrame] = []

    def measured(place: int) -> pd.DataFrame:
        if not made:
            made.extend(measure(*what))
        return made[place]

    yield kept.frame("energy", lambda: measured(0))
    yield kept.frame("flatness", lambda: measured(1))


@click.command(name="energy")
@click.option("--net", "nets", multiple=True, default=NETS, show_default=True, help="Group:n.")
@click.option("--hidden-size", default=256, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--max-steps", default=8000, show_default=True)
@click.pass_obj
def main(kept: Kept, nets: tuple[str, ...], hidden_size: int, seed: int, max_steps: int) -> None:
    """Energy of every neuron over steps, against Theorem 2; flatness at the end."""
    neurons, ends = _both(kept, nets, hidden_size, seed, max_steps)
    console = Console(width=200)
    show(neurons, ends, console)
    show_heights(neurons, console)
    kept.figure("energy", draw(neurons))
