"""Figures 8 to 17: how optimizers, weights, first values and depth change a training."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from analysis.figures.style import PANEL, legend_below, styled
from analysis.paper.numbers import Numbers
from analysis.paper.statements import (
    Agreement,
    Statement,
    compared,
    counted,
    counted_as,
    mean_of,
)
from sweeper.store.records import Outcome

SHOWN = ("train_accuracy", "test_accuracy")
"""Columns of the curves."""
FEWEST_SEEDS = 3
"""All runs of fewer are no agreement, and no contradiction."""

Key = str | list[str]


def _accuracies(
    numbers: Numbers, panels: list[str], lines: str, words: dict[object, str], title: str
) -> Figure:
    """Accuracies against the step: medians and ranges over seeds, training dotted.

    Args:
        numbers: Of one sweep, with curves.
        panels: Columns of the records, each combination of which has a panel; values of the last
            side by side.
        lines: The column that colours tell apart.
        words: Its values in words.
        title: Of a panel, a format of `panels`.
    """
    records = numbers.records
    assert numbers.curves is not None
    curves = numbers.curves.merge(records[["fingerprint", *panels, lines]], on="fingerprint")
    parts = list(curves.groupby(panels))
    columns = curves[panels[-1]].nunique()
    rows = -(-len(parts) // columns)
    colours = dict(zip(words, sns.color_palette("colorblind"), strict=False))
    with styled():
        size = (PANEL[0] * 0.8 * columns, PANEL[1] * 0.75 * rows + 0.6)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
        for axes in grid.flat[len(parts) :]:
            axes.set_visible(False)
        for axes, (values, part) in zip(grid.flat, parts, strict=False):
            for value, word in words.items():
                runs = part[part[lines] == value].groupby("step")
                for column, dashes in (("test_accuracy", "-"), ("train_accuracy", ":")):
                    middle, low, high = (runs[column].quantile(q) for q in (0.5, 0.0, 1.0))
                    kind = "test" if dashes == "-" else "training"
                    axes.plot(middle, dashes, color=colours[value], label=f"{kind}, {word}")
                    axes.fill_between(
                        middle.index, low, high, color=colours[value], alpha=0.12, linewidth=0
                    )
            axes.set_xscale("log")
            axes.set_title(title.format(**dict(zip(panels, values, strict=True))))
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        for axes in grid[-1]:
            axes.set_xlabel("step")
        for axes in grid[:, 0]:
            axes.set_ylabel("accuracy, median and range")
        legend_below(figure, grid.flat[0].get_legend_handles_labels()[0], 2 * len(words))
        return figure


# ---------------------------------------------------------------- 8: few neurons


def draw_widths(numbers: Numbers) -> dict[str, Figure]:
    """Test loss at the end over K, each optimizer at its best learning rate, every seed a dot."""
    records = numbers.records
    best = _at_best_rate(records)
    names = {"adam": "Adam", "muon": "Muon"}
    with styled():
        figure = Figure(figsize=(PANEL[0] + 0.6, PANEL[1]), layout="constrained")
        axes = figure.subplots()
        for (optimizer, runs), colour in zip(
            best.groupby("optimizer"), sns.color_palette("colorblind"), strict=False
        ):
            means = np.exp(np.log(runs["test_loss"]).groupby(runs["hidden_size"]).mean())
            axes.plot(means, "-", color=colour, label=f"{names[str(optimizer)]}, geometric mean")
            axes.plot(runs["hidden_size"], runs["test_loss"], "o", color=colour, markersize=4)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(widths := sorted(best["hidden_size"].unique()), map(str, widths))
        axes.set_xlabel("hidden width $K$")
        axes.set_ylabel("test loss at the end")
        axes.set_title(f"$M = {records['group_order'].iloc[0]}$, best of the learning rates")
        axes.legend()
        return {"widths": figure}


def judge_widths(numbers: Numbers) -> list[Statement]:
    """Muon's test loss over Adam's at small K, within each seed."""
    records = numbers.records
    best = _at_best_rate(records)
    losses = best.assign(log_loss=np.log(best["test_loss"])).pivot_table(
        "log_loss", ["hidden_size", "init_seed"], "optimizer"
    )
    losses = losses.reindex(columns=["adam", "muon"])
    ratio = (losses["muon"] - losses["adam"]).dropna()
    says = "Where neurons are few Muon reaches a lower test loss than Adam (Theorem 8)."
    if ratio.empty:
        return [Statement(says, Agreement.OPEN, "no pair of runs", "runs of both are needed")]
    mean = mean_of(ratio.groupby("init_seed").mean(), logarithms=True)
    each = ratio.groupby("hidden_size").mean().map(np.exp)
    statistic = (
        f"Muon's loss over Adam's, mean over K: {mean.between()}, 95 % over "
        f"{counted_as(mean.count, 'seed')}; "
        + ", ".join(f"{value:.2f} at K = {K}" for K, value in each.items())
    )
    why = {
        Agreement.AGREES: "",
        Agreement.OPEN: "the interval holds 1",
        Agreement.DISAGREES: "Adam's loss is the lower one at the rates and steps tried",
    }
    found = compared(mean, 1.0, above=False)
    return [Statement(says, found, statistic, why[found])]


def _at_best_rate(records: pd.DataFrame) -> pd.DataFrame:
    """Runs at the learning rate that leaves their optimizer and K the lowest mean log loss."""
    runs = records.dropna(subset="test_loss")
    key = ["optimizer", "hidden_size", "learning_rate"]
    loss = np.log(runs["test_loss"]).groupby([runs[name] for name in key]).mean().reset_index()
    best = loss.loc[loss.groupby(["optimizer", "hidden_size"])["test_loss"].idxmin(), key]
    return runs.merge(best, on=key)


# ---------------------------------------------------------------- 10 to 13: real, complex, solved


_WEIGHTS: dict[object, str] = {
    "real": "real weights",
    "complex": "complex weights",
    "solved": "$V$ solved",
}


def draw_weights(numbers: Numbers) -> dict[str, Figure]:
    """Accuracies of the three, one panel an order."""
    return {
        "trainings": _accuracies(
            _with_weights(numbers), ["group_order"], "weights", _WEIGHTS, "$M = {group_order}$"
        )
    }


def judge_weights(numbers: Numbers) -> list[Statement]:
    """Whether all three memorize first and generalize later."""
    records = _with_weights(numbers).records
    return [
        _groks(f"The net with {word.replace('$', '')} fits first and generalizes later.", runs)
        for value, word in _WEIGHTS.items()
        if len(runs := records[records["weights"] == value])
    ]


def _with_weights(numbers: Numbers) -> Numbers:
    records = numbers.records
    kind = np.where(records["ridge"] > 0, "solved", "real")
    kind = np.where(records["network"] == "complex", "complex", kind)
    return Numbers(records.assign(weights=kind), numbers.curves)


def _groks(says: str, runs: pd.DataFrame) -> Statement:
    grown = (runs["outcome"] == Outcome.GENERALIZED).to_numpy()
    late = (runs["generalization_step"] > runs["fit_step"]).fillna(False).to_numpy(bool)
    both = (grown & late).tolist()
    delay = (runs["generalization_step"] / runs["fit_step"])[both].to_numpy(float)
    seeds = runs["init_seed"].nunique()
    statistic = f"{counted(both)} runs of {counted_as(seeds, 'seed')}" + (
        f"; the test accuracy follows after {delay.min():.1f} to {delay.max():.1f} times the steps,"
        f" median {np.median(delay):.1f}"
        if len(delay)
        else ""
    )
    if all(both):
        found, why = Agreement.AGREES, ""
    else:
        left = runs.loc[~np.array(both), "outcome"].value_counts()
        words = {Outcome.GENERALIZED: "generalized as soon as it fitted"}
        told = [f"{count} {words.get(outcome, outcome)}" for outcome, count in left.items()]
        why = f"the others: {', '.join(told)}"
        found = Agreement.OPEN if any(both) else Agreement.DISAGREES
    if found is not Agreement.OPEN and seeds < FEWEST_SEEDS:
        found, why = Agreement.OPEN, f"fewer than {FEWEST_SEEDS} seeds"
    return Statement(says, found, statistic, why)


# ---------------------------------------------------------------- 9, 14 to 17: zero-init, depth


_SCALES: dict[object, str] = {0.0: "$V = 0$ at first", 1.0: "ordinary $V$"}


def draw_zero_init(numbers: Numbers) -> dict[str, Figure]:
    """Accuracies from both first values, one panel an order and size of the training set."""
    records = numbers.records
    shares = records.assign(share=(100 * records["train_fraction"]).round().astype(int))
    return {
        "trainings": _accuracies(
            Numbers(shares, numbers.curves),
            ["group_order", "share"], "output_scale", _SCALES, "$M = {group_order}$, {share} %",
        )
    }  # fmt: skip


def judge_zero_init(numbers: Numbers) -> list[Statement]:
    """Steps to generalize from zero-init over those from ordinary first values."""
    records = numbers.records
    return [_sooner("Zero-init of V starts feature learning sooner.", records, ["n_train"])]


def draw_depth(numbers: Numbers) -> dict[str, Figure]:
    """Accuracies from both first values, one panel a depth and size of the training set."""
    records = numbers.records
    shares = records.assign(share=(100 * records["train_fraction"]).round().astype(int))
    return {
        "trainings": _accuracies(
            Numbers(shares, numbers.curves),
            ["share", "layers"], "output_scale", _SCALES, "{layers} layers, {share} % of the pairs",
        )
    }  # fmt: skip


def judge_depth(numbers: Numbers) -> list[Statement]:
    """Whether nets of each depth grok, and whether zero-init helps them."""
    records = numbers.records
    found = [
        _groks(f"A ReLU net of {layers} layers fits first and generalizes later.", runs)
        for layers, runs in records.groupby("layers")
    ]
    says = "In deeper nets too, zero-init of the read-out speeds it up."
    return [*found, _sooner(says, records, ["n_train", "layers"])]


def _sooner(says: str, records: pd.DataFrame, also: Sequence[str]) -> Statement:
    """Ratios of steps within pairs of runs, averaged over those of a seed and order.

    Of a pair in which one run does not generalize it counts with its horizon, which is a bound: the
    ratio is further from 1 if the other one is the faster anyway, and says nothing if it is not.
    Runs that were stopped tell neither a step nor a bound, and are left out.
    """
    unit = ["group_order", "init_seed"]
    key, scales = [*unit, "learning_rate", *also], [0.0, 1.0]
    kept = records[records["outcome"] != Outcome.STOPPED]
    logs = kept.assign(
        steps=np.log(kept["generalization_step"].astype(float)),
        horizon=np.log(kept["max_steps"]),
    )
    horizon = logs.pivot_table("horizon", key, "output_scale").reindex(columns=scales).dropna()
    steps = logs.pivot_table("steps", key, "output_scale").reindex(horizon.index, columns=scales)
    never = steps.isna()
    told = ~never.all(axis=1)
    if not told.any():
        return Statement(says, Agreement.OPEN, "no pair of runs", "none of a pair generalizes")
    bounded = steps.fillna(horizon)[told]
    units = (bounded[0.0] - bounded[1.0]).groupby(level=unit).mean()
    mean = mean_of(units, logarithms=True)
    only = {0.0: int((told & never[1.0]).sum()), 1.0: int((told & never[0.0]).sum())}
    found = compared(mean, 1.0, above=False)
    statistic = (
        f"steps to generalize, from zero over ordinary: {mean.between()}, 95 % over "
        f"{counted_as(mean.count, 'seed')}, each of one order, "
        f"{counted_as(len(bounded), 'pair')} of runs; of these "
        f"{only[0.0]} generalize within the horizon from zero alone and {only[1.0]} "
        f"from the ordinary alone, and count with the horizon; neither does in {(~told).sum()} more"
    )
    why = {
        Agreement.AGREES: "",
        Agreement.OPEN: "the interval holds 1",
        Agreement.DISAGREES: "it comes later here",
    }[found]
    against = {Agreement.AGREES: only[1.0], Agreement.DISAGREES: only[0.0], Agreement.OPEN: 0}
    if against[found]:
        found, why = Agreement.OPEN, "pairs in which the other one alone generalizes speak against"
    return Statement(says, found, statistic, why)
