"""Muon against Adam: how many irreps few neurons cover (arXiv 2509.21519, Theorem 8, Lemma 2).

Twice. In training, on 60 % of the pairs. And on the energy alone, as the theorem has it: K neurons
of unit norm climb Σ_j E(w_j) on all pairs, by their own gradients, or along U Rᵀ of the singular
value decomposition of all gradients side by side, which is Muon without momentum.
"""

from collections.abc import Iterator, Sequence

import click
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from rich.console import Console
from rich.table import Table

from analysis.figures.style import BLUE, GREY, ORANGE, PANEL, styled
from benchmarks.dynamics.energy import snapshot_of
from benchmarks.dynamics.kept import Kept
from benchmarks.dynamics.training import settled, trained, up_to
from benchmarks.setting import Shape, trial
from sweeper.learn.probes.basis import IrrepBasis, dominant_irreps, irrep_powers
from sweeper.learn.probes.irreps import PURE, irrep_indicators
from sweeper.tasks.energy import PairEnergy
from sweeper.tasks.groups import group_named

STEPS = (25, 50, 100, 200, 400, 700, 1000, 1500, 2000, 3000, 4000)
CLIMBING_STEPS = 400
RATE = 0.05
"""Of a climbing step, against neurons of norm 1; falls to 0 along a half cosine."""

COLOURS = {"adam": BLUE, "muon": ORANGE, "own gradients": BLUE, "orthogonalized": ORANGE}


def in_training(
    name: str, widths: Sequence[int], rates: Sequence[float], seeds: int, max_steps: int
) -> Iterator[dict[str, object]]:
    """One row a measurement of every trained net."""
    M = group_named(name).order
    for optimizer in ("adam", "muon"):
        for K in widths:
            for rate in rates:
                for seed in range(seeds):
                    one = trial(
                        Shape(M, K, round(0.6 * M * M), max_steps),
                        seed, group=name, split_seed=seed, optimizer=optimizer, learning_rate=rate,
                        weight_decay=1e-4, muon_scaling="none", momentum=0.9,
                    )  # fmt: skip
                    with settled():
                        for step, metrics, weights in trained(one, up_to(max_steps, STEPS)):
                            covered = irrep_indicators(snapshot_of(one, weights))
                            yield {
                                "how": optimizer, "K": K, "learning_rate": rate, "seed": seed,
                                "step": step, "covered": int(covered["irreps_covered"]),
                                "active": int(covered["active_neurons"]),
                                "test_accuracy": metrics.test_accuracy[0],
                            }  # fmt: skip


def on_energy(name: str, widths: Sequence[int], seeds: int) -> Iterator[dict[str, object]]:
    """One row a set of neurons at the end of its climb."""
    group = group_named(name)
    M = group.order
    energy = PairEnergy.of(group.table, np.arange(M * M))
    basis = IrrepBasis.of(group, torch.zeros(1, dtype=torch.float64))
    for K in widths:
        for seed in range(seeds):
            start = np.random.default_rng(seed).standard_normal((2 * M, K))
            for how in ("own gradients", "orthogonalized"):
                w = start / np.linalg.norm(start, axis=0)
                for step in range(CLIMBING_STEPS):
                    gradient = energy.value_and_gradient(w)[1]
                    if how == "own gradients":
                        up = gradient / np.linalg.norm(gradient, axis=0)
                    else:
                        left, _, right = np.linalg.svd(gradient, full_matrices=False)
                        up = left @ right
                    w = w + RATE * np.cos(np.pi / 2 * step / CLIMBING_STEPS) * up
                    w /= np.linalg.norm(w, axis=0)
                powers = irrep_powers(torch.from_numpy(w)[None], basis)
                place, purity = (found[0].numpy() for found in dominant_irreps(powers, basis))
                yield {
                    "how": how, "K": K, "seed": seed, "pure": int(np.sum(purity >= PURE)),
                    "covered": len(set(place[purity >= PURE].tolist())),
                    "purity": float(purity.mean()),
                }  # fmt: skip


def at_end(trained_nets: pd.DataFrame) -> pd.DataFrame:
    """The last measurement of each."""
    last: pd.DataFrame = trained_nets[trained_nets["step"] == trained_nets["step"].max()]
    return last


def best(trained_nets: pd.DataFrame) -> pd.DataFrame:
    """Of each optimizer and K the runs at the learning rate that covers most at the end."""
    last = at_end(trained_nets)
    mean = last.groupby(["how", "K", "learning_rate"])[["covered", "test_accuracy"]].mean()
    ranked = mean.sort_values(["covered", "test_accuracy"]).reset_index()
    return trained_nets.merge(
        ranked.groupby(["how", "K"]).tail(1)[["how", "K", "learning_rate"]],
        on=["how", "K", "learning_rate"],
    )


def draw(trained_nets: pd.DataFrame, climbed: pd.DataFrame, irreps: int) -> Figure:
    """Three panels: over steps at three widths, over widths at the end, and on the energy."""
    kept = best(trained_nets)
    with styled():
        figure = Figure(figsize=(2.4 * PANEL[0], PANEL[1]), layout="constrained")
        over_steps, over_K, alone = figure.subplots(1, 3, sharey=True)
        widths = sorted(kept["K"].unique())
        for K, line in zip(widths[1::2][:3], (":", "--", "-"), strict=False):
            for how, rows in kept[kept["K"] == K].groupby("how"):
                _mean(over_steps, rows, "step", str(how), line, f"{str(how).title()}, K = {K}")
        for how, rows in at_end(kept).groupby("how"):
            _mean(over_K, rows, "K", str(how), "o-", f"{str(how).title()}, best learning rate")
        for how, rows in climbed.groupby("how"):
            _mean(alone, rows, "K", str(how), "o-", str(how))
        K = np.arange(1, climbed["K"].max() + 1)
        chance = irreps * (1 - (1 - 1 / irreps) ** K)
        alone.plot(K, chance, color=GREY, linewidth=1, zorder=0, label="each neuron at random")
        for axes in (over_steps, over_K, alone):
            axes.axhline(irreps, color="black", linestyle=":", linewidth=0.8)
            axes.set(xscale="log", xlabel="K" if axes is not over_steps else "step")
            axes.legend(fontsize=7)
        for axes in (over_K, alone):
            axes.set_xlim(0.9 * min(widths), 1.1 * max(widths))
            axes.xaxis.set_major_locator(FixedLocator(widths))
            axes.xaxis.set_major_formatter("{x:.0f}")
            axes.xaxis.set_minor_locator(NullLocator())
        over_steps.set(ylabel=f"irreps covered, of {irreps}")
        over_steps.set_title("training, 60 % of the pairs", loc="left")
        over_K.set_title(f"after {kept['step'].max():,} steps", loc="left")
        alone.set_title("climbing the energy, all pairs", loc="left")
    return figure


def _mean(axes: Axes, rows: pd.DataFrame, over: str, how: str, line: str, label: str) -> None:
    by = rows.groupby(over)["covered"].agg(["mean", "sem"])
    axes.errorbar(
        by.index, by["mean"], by["sem"], fmt=line, color=COLOURS[how], markersize=4, linewidth=1.2,
        capsize=2, label=label,
    )  # fmt: skip


def show(trained_nets: pd.DataFrame, climbed: pd.DataFrame, console: Console) -> None:
    """Print means and standard errors over seeds, at the end."""
    for found, keys in (
        (at_end(trained_nets), ["how", "learning_rate"]),
        (climbed, ["how"]),
    ):
        table = Table(box=None, header_style="bold")
        widths = sorted(found["K"].unique())
        for name in (*keys, *(f"K = {K}" for K in widths)):
            table.add_column(name, justify="right")
        for key, rows in found.groupby(keys):
            cells = []
            for K in widths:
                covered = rows.loc[rows["K"] == K, "covered"]
                cells.append(f"{covered.mean():.1f}±{covered.sem():.1f}")
            table.add_row(*map(str, key), *cells)
        console.print(table)


@click.command(name="covering")
@click.option("--group", default="Z23", show_default=True)
@click.option("--widths", multiple=True, default=[8, 12, 16, 24, 32, 64], show_default=True)
@click.option("--learning-rate", multiple=True, default=[0.005, 0.02], show_default=True)
@click.option("--seeds", default=5, show_default=True)
@click.option("--max-steps", default=4000, show_default=True)
@click.option("--climbs", default=10, show_default=True, help="Seeds of the climbs.")
@click.pass_obj
def main(
    kept: Kept,
    group: str,
    widths: tuple[int, ...],
    learning_rate: tuple[float, ...],
    seeds: int,
    max_steps: int,
    climbs: int,
) -> None:
    """Muon against Adam in covering irreps with few neurons (Theorem 8)."""
    nets = kept.frame(
        "covering",
        lambda: pd.DataFrame(in_training(group, widths, learning_rate, seeds, max_steps)),
    )
    climbed = kept.frame("covering_energy", lambda: pd.DataFrame(on_energy(group, widths, climbs)))
    show(nets, climbed, Console(width=200))
    irreps = len(group_named(group).irreps.real) - 1
    kept.figure("covering", draw(nets, climbed, irreps))
