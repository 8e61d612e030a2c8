"""The stages of the notes that the project started from, on their own network.

One embedding for both operands, a hidden ReLU layer, logits; cross-entropy, Adam on batches of 128,
M = 97 (specs/notes.yaml). The notes saw, on such a net: at epoch 1 nothing fitted; at 100 the
training pairs fitted and ‖W‖ rising; at 300 to 400 the test accuracy rise to 0.99, ‖W‖ begin to
fall and the cosine between neurons' gradients turn from negative to positive; from 500 on ‖W‖
steady and the diversity of features falling slowly. Their thresholds are in `BOUNDS`.
"""

from collections.abc import Iterator, Sequence

import click
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from analysis.figures.style import BLUE, GREY, ORANGE, PANEL, styled
from benchmarks.dynamics.kept import Kept
from benchmarks.dynamics.training import settled, trained
from benchmarks.setting import Shape, trial
from sweeper.learn.learner import initial_weights
from sweeper.learn.probes.layers import LayerProbe
from sweeper.learn.probes.stages import Stage, Thresholds, stage_labels, stage_starts

M, BATCH = 97, 128
BOUNDS = {"change": 1e-3, "cosine": 0.6, "accuracy": 0.95, "grad_norm": 0.1}
"""Stage I: ‖ΔW‖/‖W‖ an epoch below `change`. II: accuracy below, cosine above theirs, ‖W‖ growing.
III: accuracy and gradient norm above theirs."""

SETTLED = Thresholds().change * 0.001 / 0.005
"""Of docs/dynamics.md's stages: W_change that Adam makes is in proportion to the learning rate."""

OF_W = (
    "gradient_cosine", "energy_alignment", "feature_rank", "grad_features", "label_cosine",
    "active_neurons", "target_share", "operand_purity", "operand_irreps",
)  # fmt: skip


def measure(
    fractions: Sequence[float], weight_decay: float, seeds: int, epochs: int
) -> pd.DataFrame:
    """One row an epoch of every trained net: the first 20, then every other one."""
    return pd.DataFrame(
        row
        for fraction in fractions
        for seed in range(seeds)
        for row in _run(fraction, weight_decay, seed, epochs)
    )


def _run(
    fraction: float, weight_decay: float, seed: int, epochs: int
) -> Iterator[dict[str, object]]:
    n = round(fraction * M * M)
    one = trial(
        Shape(M, 128, n, epochs * in_epoch(fraction)),
        seed, split_seed=seed, network="embedding", embedding_size=128, activation="relu",
        loss="cross_entropy", learning_rate=0.001, weight_decay=weight_decay, batch_size=BATCH,
    )  # fmt: skip
    measured = sorted({*range(1, min(20, epochs) + 1), *range(2, epochs + 1, 2), epochs})
    steps = [epoch * in_epoch(fraction) for epoch in measured]
    with settled():
        probe = LayerProbe(one, initial_weights(one).float())
        for step, metrics, weights in trained(one, steps):
            rows = {str(row["weights"]): row for row in probe.measure(step, weights)}
            found: dict[str, object] = {
                "train_fraction": fraction, "weight_decay": weight_decay, "seed": seed,
                "epoch": step // in_epoch(fraction), "train_accuracy": metrics.train_accuracy[0],
                "test_accuracy": metrics.test_accuracy[0], "train_loss": metrics.train_loss[0],
                "test_loss": metrics.test_loss[0],
            }  # fmt: skip
            for name, row in rows.items():
                found |= {f"{name}_norm": row["W_norm"], f"{name}_grad_norm": row["W_grad_norm"]}
                found[f"{name}_change"] = float(row["W_change"]) * in_epoch(fraction)  # type: ignore[arg-type]
            yield found | {name: rows["W"][name] for name in OF_W}


def events(run: pd.DataFrame) -> dict[str, float]:
    """When things happen in one run: epochs, NaN where they do not.

    Args:
        run: Rows of one net, in order.
    """
    epoch = run["epoch"].to_numpy()

    def first(holds: pd.Series) -> float:
        return float(epoch[int(np.argmax(holds))]) if holds.any() else np.nan

    smooth = run["gradient_cosine"].rolling(11, center=True, min_periods=1).median()
    labels = stage_labels(
        {
            "train_accuracy": run["train_accuracy"].tolist(),
            "test_accuracy": run["test_accuracy"].tolist(),
            "energy_alignment": run["energy_alignment"].tolist(),
            "feature_rank": run["feature_rank"].tolist(),
            "W_change": (run["W_change"] / in_epoch(float(run["train_fraction"].iloc[0]))).tolist(),
        },
        Thresholds(change=SETTLED),
    )
    starts = stage_starts(epoch.tolist(), labels)
    return {
        "training pairs fitted (0.99)": first(run["train_accuracy"] >= 0.99),
        "test accuracy 0.5": first(run["test_accuracy"] >= 0.5),
        "test accuracy 0.95": first(run["test_accuracy"] >= BOUNDS["accuracy"]),
        "‖W‖ largest": float(epoch[int(run["W_norm"].argmax())]),
        "feature rank largest": float(epoch[int(run["feature_rank"].argmax())]),
        "cosine of gradients above 0.1": first(smooth >= 0.1),
        "cosine of gradients above 0.6": first(smooth >= BOUNDS["cosine"]),
        "‖ΔW‖/‖W‖ below 1e-3": first(run["W_change"] < BOUNDS["change"]),
        "measurements in I": float((run["W_change"] < BOUNDS["change"]).sum()),
        "measurements in II": float(
            (
                (run["test_accuracy"] < BOUNDS["accuracy"])
                & (run["gradient_cosine"] > BOUNDS["cosine"])
                & (run["W_norm"].diff() > 0)
            ).sum()
        ),
        "measurements in III": float(
            (
                (run["test_accuracy"] >= BOUNDS["accuracy"])
                & (_grad_norm(run) > BOUNDS["grad_norm"])
            ).sum()
        ),
    } | {f"our stage {stage} begins": float(starts.get(stage, np.nan)) for stage in Stage}


def in_epoch(train_fraction: float) -> int:
    """Steps of an epoch."""
    return round(train_fraction * M * M) // BATCH


def _grad_norm(run: pd.DataFrame) -> pd.Series:
    """Of all matrices together."""
    of_matrices = run[[f"{name}_grad_norm" for name in "EWV"]].to_numpy()
    return pd.Series(np.linalg.norm(of_matrices, axis=1), run.index)


def show(found: pd.DataFrame, console: Console) -> None:
    """Print the events of every run, one column each, and indicators at the notes' epochs."""
    table = Table(box=None, header_style="bold")
    table.add_column("event, epoch")
    columns = []
    for (fraction, seed), run in found.groupby(["train_fraction", "seed"]):
        table.add_column(f"{fraction:g}, seed {seed}", justify="right")
        columns.append(events(run))
    for name in columns[0]:
        table.add_row(name, *(f"{column[name]:.0f}" for column in columns))
    console.print(table)
    shown = ["train_accuracy", "test_accuracy", "W_norm", "W_change", *OF_W]
    for (fraction, seed), run in found.groupby(["train_fraction", "seed"]):
        epochs = [e for e in (1, 10, 30, 100, 200, 300, 400, 500) if e <= run["epoch"].max()]
        rows = run.set_index("epoch").assign(grad_norm=_grad_norm(run).to_numpy()).loc[epochs]
        console.print(f"\n{fraction:g} of the pairs, seed {seed}")
        console.print(rows[[*shown, "grad_norm"]].T.to_string(float_format="{:.3g}".format))


def draw(found: pd.DataFrame, fraction: float) -> Figure:
    """Six panels over epochs, one line a seed."""
    runs = [run for _, run in found[found["train_fraction"] == fraction].groupby("seed")]
    with styled():
        figure = Figure(figsize=(2 * PANEL[0], 2.2 * PANEL[1]), layout="constrained")
        panels = figure.subplots(3, 2, sharex=True)
        accuracy, norms, change, cosines, rank, gradient = panels.flat
        for i, run in enumerate(runs):
            x = run["epoch"]
            lines = (
                (accuracy, run["train_accuracy"], GREY, "training pairs"),
                (accuracy, run["test_accuracy"], BLUE, "test pairs"),
                (norms, run["W_norm"], BLUE, "hidden layer W"),
                (norms, run["E_norm"] / 4, ORANGE, "embeddings E, a quarter"),
                (change, run["W_change"], BLUE, "of an epoch"),
                (cosines, run["energy_alignment"], ORANGE, "with its own energy's"),
                (cosines, run["gradient_cosine"], BLUE, "between neurons"),
                (rank, run["feature_rank"], BLUE, "feature rank"),
                (gradient, _grad_norm(run), BLUE, "all matrices"),
            )
            for axes, y, colour, label in lines:
                axes.plot(
                    x, y, color=colour, linewidth=1, alpha=1 - 0.3 * i,
                    label=label if not i else None,
                )  # fmt: skip
        for axes, bound, said in (
            (change, BOUNDS["change"], "notes: below in stage I"),
            (cosines, BOUNDS["cosine"], "notes: above in stage II"),
            (gradient, BOUNDS["grad_norm"], "notes: above in stage III"),
            (accuracy, BOUNDS["accuracy"], "notes: from here stage III"),
        ):
            axes.axhline(bound, color="black", linestyle=":", linewidth=1, label=said)
        _label(accuracy, "accuracy", "")
        _label(norms, "Frobenius norm", "")
        _label(change, r"$\|ΔW\|/\|W\|$ an epoch", "log")
        _label(cosines, "cosine of a neuron's gradient", "")
        _label(rank, "feature rank", "")
        _label(gradient, "gradient norm", "log")
        for axes in panels[-1]:
            axes.set_xlabel("epoch")
        seeds = f"{len(runs)} seeds" if len(runs) > 1 else "one seed"
        figure.suptitle(f"The notes' net, M = {M}, {fraction:.0%} of the pairs, {seeds}")
    return figure


def _label(axes: Axes, label: str, scale: str) -> None:
    axes.set(ylabel=label, xscale="log", **({"yscale": scale} if scale else {}))
    axes.legend(fontsize=7)


@click.command(name="notes")
@click.option("--train-fraction", multiple=True, default=[0.4, 0.5], show_default=True)
@click.option("--weight-decay", default=1e-3, show_default=True)
@click.option("--seeds", default=1, show_default=True)
@click.option("--epochs", default=550, show_default=True)
@click.pass_obj
def main(
    kept: Kept, train_fraction: tuple[float, ...], weight_decay: float, seeds: int, epochs: int
) -> None:
    """The stages of the notes on their own network."""
    found = kept.frame("notes", lambda: measure(train_fraction, weight_decay, seeds, epochs))
    show(found, Console(width=200))
    kept.figure("notes", draw(found, train_fraction[0]))
