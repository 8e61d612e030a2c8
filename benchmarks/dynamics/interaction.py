"""Theorem 6 on pairs of trained neurons, Theorem 7 on planted irreps (arXiv 2509.21519)."""

import itertools
from collections.abc import Iterator, Sequence

import click
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from analysis.ascent import climb
from analysis.figures.style import BLUE, GREY, ORANGE, PANEL, SIZE_COLOURS, styled
from analysis.landscape import purities
from benchmarks.dynamics.energy import snapshot_of
from benchmarks.dynamics.kept import Kept
from benchmarks.dynamics.training import settled, trained, up_to
from benchmarks.setting import Shape, trial
from sweeper.learn.probes.interaction import SAMPLE, interactions
from sweeper.learn.probes.irreps import PURE
from sweeper.learn.probes.snapshot import Snapshot
from sweeper.tasks.constructions import irrep_solution, order_six
from sweeper.tasks.energy import PairEnergy
from sweeper.tasks.groups import group_named
from sweeper.tasks.isotypic import isotypic_bases
from sweeper.tasks.splits import split_order
from sweeper.tasks.task import task_of

STEPS = (1, 25, 125, 525, 900, 2000, 4000)
EDGES = np.linspace(0, 1, 11)
CHECKED = 20
"""Pairs at each measurement whose P of Theorem 6 is computed by itself."""

STARTS = 40
RIDGE = 1e-6


def repulsion(
    name: str, n: int, hidden_size: int, seeds: int, max_steps: int
) -> Iterator[dict[str, object]]:
    """One row a bin of |cos(f̃_j, f̃_l)|, measurement and seed: pairs, and how many repel."""
    for seed in range(seeds):
        M = group_named(name).order
        one = trial(Shape(M, hidden_size, n, max_steps), seed, group=name, split_seed=seed)
        with settled():
            for step, _, weights in trained(one, up_to(max_steps, STEPS)):
                snapshot = snapshot_of(one, weights)
                neurons = snapshot.sizes.topk(SAMPLE, dim=1).indices
                inverse, products = (part[0].numpy() for part in interactions(snapshot, neurons))
                upper = np.triu_indices(SAMPLE, 1)
                lengths = np.sqrt(np.diag(products))
                cosines = np.abs(products / np.outer(lengths, lengths))[upper]
                repels = (inverse * products < 0)[upper]
                holds = _theorem_6(snapshot, neurons[0].numpy(), inverse, seed)
                for low, high in itertools.pairwise(EDGES):
                    inside = (cosines >= low) & (cosines < high + (high == 1) * 1e-9)
                    yield {
                        "seed": seed, "step": step, "low": low, "pairs": int(inside.sum()),
                        "repelled": int(repels[inside].sum()), "checked": CHECKED, "held": holds,
                    }  # fmt: skip


def _theorem_6(snapshot: Snapshot, neurons: np.ndarray, inverse: np.ndarray, seed: int) -> int:
    """Of some pairs, for how many sign b_jl = −sign f̃_jᵀPf̃_l, P from all other features."""
    F, eta = snapshot.features[0].numpy(), float(snapshot.ridge[0])
    rng, held = np.random.default_rng(seed), 0
    for _ in range(CHECKED):
        i, k = rng.choice(len(neurons), 2, replace=False)
        j, other = neurons[[i, k]]
        others = np.delete(F, [j, other], axis=1)
        solved = np.linalg.solve(others @ others.T + eta * np.eye(len(F)), F[:, other])
        held += np.sign(inverse[i, k]) == -np.sign(eta * F[:, j] @ solved)  # P = η(F̃₀F̃₀ᵀ + ηI)⁻¹
    return held


def planted(
    names: Sequence[str], shares: Sequence[float], subsets: int
) -> Iterator[dict[str, object]]:
    """One row a subset of irreps planted: where STARTS random ascents on what is left end.

    Args:
        names: Groups.
        shares: Of all pairs, that the energy is on.
        subsets: Random ones of each size.
    """
    for name in names:
        group = group_named(name)
        M = group.order
        solution = order_six(group) if group.max_irrep_dim == 1 else irrep_solution(group)
        bases = isotypic_bases(group.table, group.irreps)[1:]
        W = np.real(solution.W)
        of_node = purities(bases, W / np.linalg.norm(W, axis=0)).argmax(axis=0)
        for share in shares:
            pairs = split_order(task_of(name), 0)[: round(share * M * M)]
            energy = PairEnergy.of(group.table, pairs)
            for size in range(0, len(bases), max(1, len(bases) // 5)):
                for subset in range(subsets if size else 1):
                    rng = np.random.default_rng(subset)
                    chosen = rng.permutation(len(bases))[:size]
                    features = np.square(energy.hidden(W[:, np.isin(of_node, chosen)]))
                    left = energy.without(features, RIDGE) if size else energy
                    ascent = climb(left, rng.standard_normal((2 * M, STARTS)))
                    found = purities(bases, ascent.w)
                    place, purity = found.argmax(axis=0), found.max(axis=0)
                    there = np.isin(place, chosen)
                    yield {
                        "group": name, "share": share, "irreps": len(bases), "planted": size,
                        "subset": subset, "starts": STARTS, "arrived": int(ascent.arrived.sum()),
                        "missing": int(np.sum((purity >= PURE) & ~there)),
                        "on_planted": int(np.sum((purity >= PURE) & there)),
                        "mixed": int(np.sum(purity < PURE)), "least_purity": float(purity.min()),
                        "found": len(set(place[(purity >= PURE) & ~there].tolist())),
                    }  # fmt: skip


def draw(pairs: pd.DataFrame, ascents: pd.DataFrame) -> Figure:
    """Left the share of pairs that repel over |cos|, right where ascents end."""
    with styled():
        figure = Figure(figsize=(2 * PANEL[0], PANEL[1]), layout="constrained")
        signs, ends = figure.subplots(1, 2)
        steps = sorted(pairs["step"].unique())
        for step, colour in zip(steps, sns.color_palette(SIZE_COLOURS, len(steps)), strict=True):
            rows = pairs[pairs["step"] == step].groupby("low")[["pairs", "repelled"]].sum()
            rows = rows[rows["pairs"] >= 10]
            p = rows["repelled"] / rows["pairs"]
            error = np.sqrt(p * (1 - p) / rows["pairs"])
            signs.errorbar(
                rows.index + 0.05, p, error, fmt="o-", color=colour, markersize=4, linewidth=1,
                label=f"step {step:,}",
            )  # fmt: skip
        signs.axhline(0.5, color=GREY, linewidth=0.8, linestyle=":")
        signs.set(xlabel=r"$|\cos(\tilde f_j, \tilde f_l)|$", ylabel="share of pairs that repel")
        signs.set(ylim=(0.3, 1.02))
        signs.legend(fontsize=7, loc="lower right")
        signs.set_title("Theorem 6 without its P", loc="left")
        groups = list(ascents["group"].unique())
        for marker, name in zip("os^D", groups, strict=False):
            shares = sorted(ascents["share"].unique())[::-1]
            for share, colour in zip(shares, (BLUE, ORANGE, GREY), strict=False):
                rows = ascents[(ascents["group"] == name) & (ascents["share"] == share)]
                by = rows.groupby("planted")[["missing", "starts", "irreps"]].sum()
                x = by.index / rows["irreps"].iloc[0]
                ends.plot(
                    x, by["missing"] / by["starts"], marker + "-", color=colour, markersize=4,
                    linewidth=1, label=f"{name}, {share:.0%} of the pairs",
                )  # fmt: skip
        ends.set(xlabel="share of the irreps that are planted", ylim=(-0.03, 1.05))
        ends.set(ylabel="share of ascents that end on a missing irrep")
        ends.set_title("Theorem 7", loc="left")
        ends.legend(fontsize=7)
    return figure


def show(pairs: pd.DataFrame, ascents: pd.DataFrame, console: Console) -> None:
    """Print both as tables."""
    table = Table(box=None, header_style="bold")
    table.add_column("|cos| from")
    steps = sorted(pairs["step"].unique())
    for step in steps:
        table.add_column(f"step {step:,}", justify="right")
    for low, rows in pairs.groupby("low"):
        by = rows.groupby("step")[["repelled", "pairs"]].sum()
        table.add_row(
            f"{float(str(low)):.1f}",
            *(f"{by.loc[s, 'repelled']}/{by.loc[s, 'pairs']}" for s in steps),
        )
    console.print(table)
    once = pairs[pairs["low"] == 0]
    console.print(
        f"Theorem 6 itself: held for {once['held'].sum()} of {once['checked'].sum()} pairs"
    )
    table = Table(box=None, header_style="bold")
    names = ["group", "share", "planted", "starts", "arrived", "missing", "on_planted", "mixed"]
    for name in [*names, "least_purity"]:
        table.add_column(name, justify="right")
    for key, rows in ascents.groupby(names[:3]):
        sums = [str(rows[name].sum()) for name in names[3:]]
        table.add_row(*map(str, key), *sums, f"{rows['least_purity'].min():.3f}")
    console.print(table)


@click.command(name="interaction")
@click.option("--group", default="Z23", show_default=True, help="Of the trained nets.")
@click.option("--n-train", default=220, show_default=True)
@click.option("--hidden-size", default=256, show_default=True)
@click.option("--seeds", default=5, show_default=True)
@click.option("--max-steps", default=4000, show_default=True)
@click.option("--planted-in", multiple=True, default=["Z23", "D7", "S4"], show_default=True)
@click.option("--share", multiple=True, default=[1.0, 0.6], show_default=True, help="Of the pairs.")
@click.option("--subsets", default=3, show_default=True, help="Planted, of each size.")
@click.pass_obj
def main(
    kept: Kept,
    group: str,
    n_train: int,
    hidden_size: int,
    seeds: int,
    max_steps: int,
    planted_in: tuple[str, ...],
    share: tuple[float, ...],
    subsets: int,
) -> None:
    """Which pairs of neurons repel (Theorem 6), and what is left to climb (Theorem 7)."""
    pairs = kept.frame(
        "repulsion", lambda: pd.DataFrame(repulsion(group, n_train, hidden_size, seeds, max_steps))
    )
    ascents = kept.frame("planted", lambda: pd.DataFrame(planted(planted_in, share, subsets)))
    show(pairs, ascents, Console(width=200))
    kept.figure("interaction", draw(pairs, ascents))
