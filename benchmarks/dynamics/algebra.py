"""The table of CoGO's solutions, measured: orders, factors and forms of learned solutions.

CoGO's setting (Y. Tian, arXiv 2410.01779): square, squared error, Adam on 90 % of all pairs, 10,000
epochs, K = 512, W ~ U(±1/√M) from a linear layer for each operand. Its public code has two learning
rates, 0.01 in the sweep's log and 0.002 in the text beside it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from analysis.figures.style import PANEL, styled
from benchmarks.dynamics.kept import Kept
from benchmarks.dynamics.training import matrices, settled, trained
from benchmarks.setting import Shape, trial
from sweeper.learn.learner import initial_weights
from sweeper.learn.probes.algebra import FORMS, UNFACTORABLE, frequency_nodes, solution_of
from sweeper.tasks.groups import group_named
from sweeper.tasks.sum_potentials import coefficients

TRAIN_FRACTION = 0.9
EPOCHS = 10_000
COLUMNS = ["learning_rate", "weight_decay"]
SIGNS = dict(
    zip(
        FORMS,
        (
            r"$z_{\nu=i}\ast z_\xi$", r"$z_{\nu=i}\ast z_{syn,\alpha\beta}$",
            r"$z_\nu\ast z_{syn}$", "other",
        ),
        strict=True,
    )
)  # fmt: skip


def measure(
    group: str, hidden_size: int, rates: Sequence[tuple[float, float]], seeds: int, max_steps: int
) -> pd.DataFrame:
    """One row a frequency of every trained net, with its nodes.

    Args:
        group: Abelian.
        hidden_size: K.
        rates: Learning rate and weight decay of each setting.
        seeds: Of each; split and first weights have the same.
        max_steps: Full-batch steps.

    Returns:
        The setting's columns, irrep, and z: of (2, 3, order) parts of z_a, z_b and z_c, flat.
    """
    rows = [
        row
        for learning_rate, weight_decay in rates
        for seed in range(seeds)
        for row in _run(group, hidden_size, learning_rate, weight_decay, seed, max_steps)
    ]
    return pd.DataFrame(rows)


def _run(
    name: str, hidden_size: int, learning_rate: float, weight_decay: float, seed: int, steps: int
) -> Iterator[dict[str, object]]:
    group = group_named(name)
    M = group.order
    one = trial(
        Shape(M, hidden_size, round(TRAIN_FRACTION * M * M), steps),
        seed, group=name, split_seed=seed, learning_rate=learning_rate, weight_decay=weight_decay,
    )  # fmt: skip
    first = initial_weights(one).float()
    first.view(3 * M, -1)[: 2 * M] *= 2**0.5
    with settled():
        _, metrics, weights = next(trained(one, [steps], first))
    W, V = (part.numpy() for part in matrices(one, weights))
    about = {
        "group": name, "hidden_size": hidden_size, "learning_rate": learning_rate,
        "weight_decay": weight_decay, "seed": seed, "steps": steps,
        "train_accuracy": metrics.train_accuracy[0], "test_accuracy": metrics.test_accuracy[0],
        "test_loss": metrics.test_loss[0],
    }  # fmt: skip
    for irrep, nodes in frequency_nodes(group, coefficients(group, W, V)).items():
        parts = np.stack([nodes.real, nodes.imag]).astype(np.float32)
        yield about | {"irrep": irrep, "z": parts.ravel()}


def read(found: pd.DataFrame) -> pd.DataFrame:
    """With the columns order, error and form of each frequency's solution."""
    solutions = []
    for irrep, z in zip(found["irrep"], found["z"], strict=True):
        real, imag = np.asarray(z, np.float64).reshape(2, 3, -1)
        solutions.append(solution_of(irrep, real + 1j * imag))
    return found.assign(
        **{
            name: [getattr(solution, name) for solution in solutions]
            for name in ("order", "error", "form")
        }
    )


def shares(found: pd.DataFrame) -> pd.DataFrame:
    """CoGO's columns of every trained net, in percent but for the errors.

    Args:
        found: As `read` gives it.

    Returns:
        One row a net: not_4_6 (of its frequencies, those of another order), unfactorable_4 and
        unfactorable_6 (of those of that order), error_4 and error_6 (means over the order's
        factorable ones), and FORMS (of the factorable ones). NaN where there is nothing to divide.
    """
    rows = []
    for key, net in found.groupby([*COLUMNS, "seed"]):
        order = net["order"]
        row = dict(zip([*COLUMNS, "seed"], key, strict=True))
        row["not_4_6"] = 100 * np.mean(~order.isin([4, 6]))
        factorable = order.isin([4, 6]) & (net["form"] != UNFACTORABLE)
        for q in (4, 6):
            row[f"unfactorable_{q}"] = 100 * (~factorable[order == q]).mean()
            row[f"error_{q}"] = net.loc[factorable & (order == q), "error"].mean()
        forms = net.loc[factorable, "form"]
        row |= {form: 100 * (forms == form).mean() for form in FORMS}
        rows.append(row)
    return pd.DataFrame(rows)


def show(found: pd.DataFrame, console: Console) -> None:
    """Print means and standard errors over seeds."""
    table = Table(box=None, header_style="bold")
    of_nets = shares(found)
    for name in (*COLUMNS, "nets", *of_nets.columns.drop([*COLUMNS, "seed"])):
        table.add_column(str(name), justify="right")
    for _, nets in of_nets.groupby(COLUMNS):
        rates = nets[COLUMNS].to_numpy(float)[0].tolist()
        values = nets.drop(columns=[*COLUMNS, "seed"])
        cells = [_with_error(values[name]) for name in values]
        table.add_row(*(f"{rate:g}" for rate in rates), str(len(nets)), *cells)
    console.print(table)


def _with_error(values: pd.Series) -> str:
    scale, form = (100, ".2f") if str(values.name).startswith("error") else (1, ".1f")
    there = scale * values.dropna().to_numpy(float)
    if not len(there):
        return "–"
    error = f"±{there.std(ddof=1) / len(there) ** 0.5:{form}}" if len(there) > 1 else ""
    return f"{there.mean():{form}}{error}"


def draw(found: pd.DataFrame) -> Figure:
    """Orders of all frequencies, and forms of the factorable ones, against weight decay.

    Args:
        found: As `read` gives it.
    """
    rates = np.sort(found["learning_rate"].unique()).tolist()
    order = found["order"].clip(upper=8).where(found["order"] >= 4, 3)
    of_form = found["form"].isin(FORMS)
    with styled():
        figure = Figure(figsize=(2 * PANEL[0], 0.9 * PANEL[1] * len(rates)), layout="constrained")
        panels = figure.subplots(len(rates), 2, squeeze=False, sharey=True)
        for (left, right), rate in zip(panels, rates, strict=True):
            here = found["learning_rate"] == rate
            names = {3: "0 to 3", 4: "4", 5: "5", 6: "6", 7: "7", 8: "8 or more"}
            _stack(left, found[here], order[here], names, "colorblind")
            _stack(right, found[here & of_form], found.loc[here & of_form, "form"], SIGNS, "Set2")
            left.set_ylabel(f"share, learning rate {rate:g}")
        left.set_xlabel("weight decay")
        right.set_xlabel("weight decay")
        panels[0, 0].set_title(f"{found['group'].iloc[0]}: orders of the frequencies", loc="left")
        panels[0, 1].set_title("forms of those of order 4 and 6 that factor", loc="left")
        for axes in panels[-1]:
            if axes.get_legend_handles_labels()[0]:
                axes.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=3, fontsize=7.5)
    return figure


def _stack(
    axes: Axes, rows: pd.DataFrame, kind: pd.Series, names: Mapping[Any, str], palette: str
) -> None:
    counts = pd.crosstab(rows["weight_decay"], kind)
    shares_of = counts.div(counts.sum(axis=1), axis=0)
    bottom = np.zeros(len(counts))
    for name, colour in zip(names, sns.color_palette(palette, len(names)), strict=True):
        if name not in shares_of:
            continue
        height = shares_of[name].to_numpy()
        labels = [f"{decay:g}" for decay in counts.index]
        axes.bar(labels, height, bottom=bottom, color=colour, label=names[name])
        bottom += height
    axes.set_ylim(0, 1)


@click.command(name="algebra")
@click.option("--group", default="Z23", show_default=True, help="Abelian.")
@click.option("--hidden-size", default=512, show_default=True)
@click.option("--learning-rate", multiple=True, default=[0.002, 0.01], show_default=True)
@click.option(
    "--weight-decay", multiple=True, default=[1e-5, 5e-5, 1e-4, 2e-4, 5e-4], show_default=True
)
@click.option("--seeds", default=5, show_default=True)
@click.option("--max-steps", default=EPOCHS, show_default=True)
@click.pass_obj
def main(
    kept: Kept,
    group: str,
    hidden_size: int,
    learning_rate: tuple[float, ...],
    weight_decay: tuple[float, ...],
    seeds: int,
    max_steps: int,
) -> None:
    """CoGO's table of solutions, and the orders of frequencies against weight decay."""
    rates = [(rate, decay) for rate in learning_rate for decay in weight_decay]
    name = f"algebra_{group}" if max_steps == EPOCHS else f"algebra_{group}_{max_steps}"
    found = kept.frame(name, lambda: measure(group, hidden_size, rates, seeds, max_steps))
    found = read(found)
    show(found, Console(width=200))
    kept.figure(name, draw(found))
