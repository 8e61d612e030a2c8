"""Where the back-propagated gradient of random features vanishes, and where Lemma 1 holds.

At the ridge solution of the features F = σ(XW) (arXiv 2509.21519, eq. 5)

    G_F = η (F̃F̃ᵀ + ηI)⁻¹ ỸỸᵀF̃ (F̃ᵀF̃ + ηI)⁻¹,

which Lemma 1 has equal to η/((Kc₁ + η)(nc₂ + η)) · ỸỸᵀF̃ for large K, if all inputs have the same
norm and the same inner product with each other. Pairs [e_a ; e_b] have not; inputs of which every
sample has one of its own have, and stand beside them. F̃F̃ᵀ and F̃ᵀF̃ have the same trace and rank, so
that both can be multiples of the identity at n = K alone. Where K is large F̃F̃ᵀ ≈ Kc₁·I is left, and

    G_F = η (F̃F̃ᵀ + ηI)⁻¹ ỸỸᵀ (F̃F̃ᵀ + ηI)⁻¹ F̃ ≈ η/(Kc₁ + η)² · ỸỸᵀF̃.
"""

from collections.abc import Iterator, Sequence

import click
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from analysis.figures.style import BLUE, GREY, ORANGE, PANEL, SIZE_COLOURS, styled
from benchmarks.dynamics.kept import Kept
from sweeper.tasks.energy import Reals
from sweeper.tasks.groups import group_named
from sweeper.tasks.splits import split_order
from sweeper.tasks.task import task_of

WIDTHS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
SIZES = (60, 120, 220, 380, 529)
ETAS = np.geomspace(1e-8, 1e4, 49)
OWN, PAIRS = "own", "pairs"


def ridge_path(features: Reals, labels: Reals, etas: Reals) -> pd.DataFrame:
    """G_F of ridge regression for many η, from one singular value decomposition F̃ = U S Rᵀ.

    With A = UᵀỸ and D = (S² + η)⁻¹ all norms and products of G_F and ỸỸᵀF̃ are traces of products
    of M×M matrices, what U leaves of Ỹ included.

    Args:
        features: (n, K), F.
        labels: (n, M), Y.
        etas: (E,), all above 0.

    Returns:
        One row an η: eta, grad_features (‖G_F‖), label_cosine (of G_F and ỸỸᵀF̃), lemma_ratio
        (‖G_F‖ over Lemma 1's, Kc₁ and nc₂ the mean diagonals of F̃F̃ᵀ and F̃ᵀF̃), wide_ratio (over
        η/(Kc₁ + η)² · ‖ỸỸᵀF̃‖).
    """
    n, K = features.shape
    features = features - features.mean(axis=0)
    labels = labels - labels.mean(axis=0)
    U, s, _ = np.linalg.svd(features, full_matrices=False)
    there = s > 1e-9 * s[0]
    A, squares = U[:, there].T @ labels, s[there] ** 2
    total = labels.T @ labels
    outside = total - A.T @ A if there.sum() < n - 1 else np.zeros_like(total)
    of_labels = np.sqrt(np.sum(total * _weighted(A, squares)))
    rows = []
    for eta in etas.tolist():
        D = 1 / (squares + eta)
        left = eta**2 * _weighted(A, D**2) + outside
        norm = np.sqrt(np.sum(left * _weighted(A, squares * D**2)))
        dot = np.sum((eta * _weighted(A, D) + outside) * _weighted(A, squares * D))
        of_samples, of_features = squares.sum() / n + eta, squares.sum() / K + eta
        size = norm / (eta * of_labels)
        rows.append(
            (eta, norm, dot / (norm * of_labels), size * of_samples * of_features,
             size * of_samples**2)
        )  # fmt: skip
    columns = ["eta", "grad_features", "label_cosine", "lemma_ratio", "wide_ratio"]
    return pd.DataFrame(rows, columns=columns)


def _weighted(A: Reals, weights: Reals) -> Reals:
    """Aᵀ diag(weights) A, which is symmetric."""
    return np.asarray((A * weights[:, None]).T @ A)


def measure(
    name: str, sizes: Sequence[int], widths: Sequence[int], etas: Reals, seeds: int
) -> pd.DataFrame:
    """Random features on pairs, and on inputs of their own, of the variance that W starts with."""
    return pd.concat(_paths(name, sizes, widths, etas, seeds), ignore_index=True)


def _paths(
    name: str, sizes: Sequence[int], widths: Sequence[int], etas: Reals, seeds: int
) -> Iterator[pd.DataFrame]:
    group, task = group_named(name), task_of(name)
    M = group.order
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        W = rng.normal(0, (6 * M) ** -0.5, (2 * M, max(widths)))  # as U(±1/√2M) varies
        own = rng.normal(0, (3 * M) ** -0.5, (max(sizes), max(widths)))
        codes = split_order(task, seed)
        for n in sizes:
            a, b = np.divmod(codes[:n], M)
            labels = np.eye(M)[group.table[a, b]]
            for inputs, sums in ((PAIRS, W[a] + W[M + b]), (OWN, own[:n])):
                for K in widths:
                    path = ridge_path(np.square(sums[:, :K]), labels, etas)
                    yield path.assign(inputs=inputs, n=n, K=K, seed=seed)


def draw(found: pd.DataFrame, n: int, eta: float) -> Figure:
    """Four panels: ‖G_F‖ over η and over K, the cosine and the ratio of Lemma 1 over K.

    Args:
        found: As `measure` gives it.
        n: Of the first panel and the two last.
        eta: Of the second panel and the two last; the nearest that was measured.
    """
    eta = min(found["eta"].unique(), key=lambda one: abs(np.log(one / eta)))
    pairs = found[found["inputs"] == PAIRS]
    with styled():
        figure = Figure(figsize=(2 * PANEL[0], 2 * PANEL[1]), layout="constrained")
        (over_eta, over_K), (cosine, ratio) = figure.subplots(2, 2)
        widths = sorted(pairs["K"].unique())
        for K, colour in zip(widths, sns.color_palette(SIZE_COLOURS, len(widths)), strict=True):
            line = pairs[(pairs["n"] == n) & (pairs["K"] == K)].groupby("eta")["grad_features"]
            over_eta.loglog(line.mean(), color=colour, label=f"K = {K:,}")
        over_eta.set(xlabel="η", ylabel=r"$\|G_F\|$")
        over_eta.set_title(f"n = {n}: gone for η → ∞, and for η → 0 if K ≥ n − 1", loc="left")
        over_eta.set_ylim(1e-6, None)
        over_eta.legend(fontsize=7, loc="lower center", ncols=2)
        sizes = sorted(pairs["n"].unique())
        for size, colour in zip(sizes, sns.color_palette(SIZE_COLOURS, len(sizes)), strict=True):
            line = pairs[(pairs["n"] == size) & (pairs["eta"] == eta)].groupby("K")["grad_features"]
            over_K.loglog(line.mean(), "o-", color=colour, markersize=4, label=f"n = {size}")
        over_K.set(xlabel="K", ylabel=r"$\|G_F\|$")
        over_K.set_title(f"η = {eta:.2g}: falls from K ≈ n on", loc="left")
        over_K.legend()
        for axes, column, ideal in ((cosine, "label_cosine", 1), (ratio, "lemma_ratio", 1)):
            here = found[found["n"] == n]
            for inputs, colour in ((OWN, ORANGE), (PAIRS, BLUE)):
                for one, line in ((eta, "o-"), (100 * eta, "^--"), (eta / 1000, "s:")):
                    one = min(found["eta"].unique(), key=lambda e: abs(np.log(e / one)))
                    values = here[(here["inputs"] == inputs) & (here["eta"] == one)]
                    mean = values.groupby("K")[column].agg(["mean", "std"])
                    axes.errorbar(
                        mean.index, mean["mean"], mean["std"], fmt=line, color=colour,
                        markersize=4, linewidth=1, label=f"{_SAID[inputs]}, η = {one:.2g}",
                    )  # fmt: skip
            axes.axhline(ideal, color=GREY, linewidth=1, zorder=0)
            axes.set(xlabel="K", xscale="log")
        cosine.set(ylabel="cosine of $G_F$ and $ỸỸ^TF̃$", ylim=(0, 1.05))
        cosine.set_title(f"n = {n}: the lemma's direction", loc="left")
        ratio.set(ylabel=r"$\|G_F\|$ over the lemma's", yscale="log")
        ratio.set_title(f"n = {n}: the lemma's size", loc="left")
        ratio.legend(fontsize=7)
    return figure


_SAID = {OWN: "own inputs", PAIRS: "pairs"}


def show(found: pd.DataFrame, n: int, console: Console) -> None:
    """Print cosine and ratio, and by how many decades ‖G_F‖ lies below its largest at each end."""
    table = Table(box=None, header_style="bold")
    for name in ("inputs", "K", "‖G_F‖ at most", "at η", "at the least η", "at the most η"):
        table.add_column(name, justify="right")
    etas = (2.2e-5, 2.2e-2, 2.2)
    for eta in etas:
        table.add_column(f"cosine, ratio at {eta:g}", justify="right")
    for (inputs, K), one in found[found["n"] == n].groupby(["inputs", "K"]):
        mean = one.groupby("eta")[["grad_features", "label_cosine", "lemma_ratio"]].mean()
        size = mean["grad_features"]
        cells = [f"{size.max():.3g}", f"{size.idxmax():.2g}"]
        cells += [f"{size.iloc[0]:.2g}", f"{size.iloc[-1]:.2g}"]
        for eta in etas:
            row = mean.iloc[np.argmin(np.abs(np.log(mean.index / eta)))]
            cells.append(f"{row['label_cosine']:.2f}, {row['lemma_ratio']:.2f}")
        table.add_row(str(inputs), str(K), *cells)
    console.print(table)


@click.command(name="gradient")
@click.option("--group", default="Z23", show_default=True)
@click.option("--seeds", default=5, show_default=True)
@click.option("--sizes", multiple=True, default=SIZES, show_default=True, help="n.")
@click.option("--widths", multiple=True, default=WIDTHS, show_default=True, help="K.")
@click.option("--shown", default=220, show_default=True, help="n of the table and three panels.")
@click.pass_obj
def main(
    kept: Kept,
    group: str,
    seeds: int,
    sizes: tuple[int, ...],
    widths: tuple[int, ...],
    shown: int,
) -> None:
    """Back-propagated gradient of random features over η, K and n."""
    found = kept.frame("gradient", lambda: measure(group, sizes, widths, ETAS, seeds))
    show(found, shown, Console(width=200))
    kept.figure("gradient", draw(found, shown, 2.2e-2))
