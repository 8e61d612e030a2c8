"""Deeper nets layer by layer: who climbs its energy, what is sent back, what each layer knows."""

from collections.abc import Iterator, Sequence

import click
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from analysis.figures.style import PANEL, SIZE_COLOURS, styled
from benchmarks.dynamics.kept import Kept
from benchmarks.dynamics.training import settled, spaced, trained
from benchmarks.setting import Shape, trial
from sweeper.learn.learner import initial_weights
from sweeper.learn.probes.layers import LayerProbe
from sweeper.spec.trial import Trial

KINDS: dict[str, dict[str, object]] = {
    "residual, 2 layers, square": {"network": "residual", "layers": 2},
    "residual, 3 layers, square": {"network": "residual", "layers": 3},
    "residual, 4 layers, square": {"network": "residual", "layers": 4},
    "residual, 4 layers, ReLU": {"network": "residual", "layers": 4, "activation": "relu"},
    "embeddings, square": {"network": "two_layer_embedded", "embedding_size": 64},
}
SHOWN = (
    "W_norm", "W_change", "gradient_cosine", "energy_alignment", "feature_rank", "grad_features",
    "label_cosine", "operand_share", "operand_purity", "operand_irreps", "target_share",
    "target_purity", "target_irreps",
)  # fmt: skip
DRAWN = {
    "energy_alignment": "cosine with own energy's gradient",
    "label_cosine": "cosine of $G_F$ and $ỸỸ^T\\tilde H$",
    "target_share": "share of $h_l$ that depends on $a + b$ alone",
}


def nets(hidden_size: int, n: int, rate: float, max_steps: int, seed: int) -> dict[str, Trial]:
    """The trials, M = 23, by what they are called."""
    return {
        name: trial(
            Shape(23, hidden_size, n, max_steps), seed, split_seed=seed, learning_rate=rate, **kind
        )
        for name, kind in KINDS.items()
    }


def measure(
    hidden_size: int, n: int, rate: float, max_steps: int, seeds: Sequence[int]
) -> Iterator[dict[str, object]]:
    """One row a matrix of weights, measurement and net."""
    steps = spaced(max_steps, 45)
    for seed in seeds:
        for name, one in nets(hidden_size, n, rate, max_steps, seed).items():
            with settled():
                probe = LayerProbe(one, initial_weights(one).float())
                for step, metrics, weights in trained(one, steps):
                    about = {
                        "net": name, "seed": seed, "step": step,
                        "train_accuracy": metrics.train_accuracy[0],
                        "test_accuracy": metrics.test_accuracy[0],
                    }  # fmt: skip
                    for row in probe.measure(step, weights):
                        yield about | row


def draw(found: pd.DataFrame) -> Figure:
    """A row of panels a net, an indicator each, a line a layer; the first seed."""
    found = found[found["seed"] == found["seed"].min()]
    names = list(found["net"].unique())
    with styled():
        figure = Figure(
            figsize=(2.4 * PANEL[0], 0.62 * PANEL[1] * len(names)), layout="constrained"
        )
        panels = figure.subplots(len(names), len(DRAWN), sharex=True, sharey=True)
        for line, name in zip(panels, names, strict=True):
            net = found[found["net"] == name]
            accuracy = net.groupby("step")["test_accuracy"].first()
            layers = net.loc[net["label_cosine"].notna(), "weights"].unique()
            colours = sns.color_palette(SIZE_COLOURS, max(3, len(layers)))
            for axes, (column, label) in zip(line, DRAWN.items(), strict=True):
                axes.fill_between(accuracy.index, accuracy, color="0.9", label="test accuracy")
                for layer, colour in zip(layers, colours, strict=False):
                    rows = net[net["weights"] == layer]
                    axes.plot(rows["step"], rows[column], color=colour, linewidth=1.3, label=layer)
                axes.set(xscale="log", ylim=(-0.4, 1.02))
                if name == names[0]:
                    axes.set_title(label, loc="left")
                if name == names[-1]:
                    axes.set_xlabel("step")
            line[0].set_ylabel(name.replace(", ", "\n", 1))
            line[-1].legend(fontsize=6.5, loc="upper left")
    return figure


def show(found: pd.DataFrame, console: Console) -> None:
    """Print indicators of every hidden layer at some steps, means over seeds."""
    steps = sorted(found["step"].unique())
    wanted = [steps[i] for i in (0, len(steps) // 3, 2 * len(steps) // 3, -5, -1)]
    table = Table(box=None, header_style="bold")
    for name in ("net", "layer", "step", "test", *SHOWN):
        table.add_column(name.replace("_", " "), justify="right")
    hidden = found[found["label_cosine"].notna() & found["step"].isin(wanted)]
    for key, rows in hidden.groupby(["net", "weights", "step"], sort=False):
        means = rows[["test_accuracy", *SHOWN]].mean()
        table.add_row(*map(str, key), *(f"{value:.3g}" for value in means))
    console.print(table)


@click.command(name="layers")
@click.option("--hidden-size", default=128, show_default=True)
@click.option("--n-train", default=318, show_default=True)
@click.option("--learning-rate", default=0.005, show_default=True)
@click.option("--max-steps", default=4000, show_default=True)
@click.option("--seeds", default=2, show_default=True)
@click.pass_obj
def main(
    kept: Kept, hidden_size: int, n_train: int, learning_rate: float, max_steps: int, seeds: int
) -> None:
    """Deeper nets layer by layer."""
    found = kept.frame(
        "layers",
        lambda: pd.DataFrame(measure(hidden_size, n_train, learning_rate, max_steps, range(seeds))),
    )
    show(found, Console(width=220))
    kept.figure("layers", draw(found))
