"""Figures 3 and 7: the gradient that reaches the features, and the energy they end with."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from analysis.figures.style import PANEL, legend_below, message, styled
from analysis.paper.numbers import Numbers
from analysis.paper.statements import (
    Agreement,
    Statement,
    compared,
    counted,
    mean_of,
    ratio_within,
)
from sweeper.store.records import Outcome

GRADIENT = ("grad_features",)
HEIGHT = ("height",)
"""Columns of the probes."""

MUCH = 1.5
"""From which ratio of energies on one is much higher."""
_FEWEST = 3


def draw_gradient(numbers: Numbers) -> dict[str, Figure]:
    """Norm of the gradient at the features, and test accuracy, against the step."""
    records = numbers.records
    decays = sorted(records["weight_decay"].unique(), reverse=True)
    assert numbers.curves is not None
    assert numbers.probes is not None
    with styled():
        figure = Figure(figsize=(PANEL[0] + 0.6, 1.6 * PANEL[1]), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        for decay, colour in zip(decays, sns.color_palette("colorblind"), strict=False):
            runs = records.loc[records["weight_decay"] == decay, "fingerprint"]
            label = f"weight decay {decay:g}" if decay else "no weight decay"
            for axes, table, column in (
                (above, numbers.probes, "grad_features"),
                (below, numbers.curves, "test_accuracy"),
            ):
                seen = table[table["fingerprint"].isin(runs)].groupby("step")[column]
                axes.plot(seen.median(), color=colour, label=label)
                axes.fill_between(
                    seen.min().index, seen.min(), seen.max(), color=colour, alpha=0.15, linewidth=0
                )
        above.set_yscale("log")
        above.set_ylabel("$\\|G_F\\|$, median and range")
        above.legend()
        below.set_xscale("log")
        below.set_ylabel("test accuracy, median and range")
        below.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        below.set_xlabel("step")
        M, n = records[["group_order", "n_train"]].iloc[0]
        above.set_title(f"$M = {M}$, $n = {n:,}$, $K = {records['hidden_size'].iloc[0]}$")
        figure.align_ylabels()
        return {"gradient": figure}


def judge_gradient(numbers: Numbers) -> list[Statement]:
    """Whether runs without weight decay lose the gradient at the features, and memorize."""
    records = numbers.records
    decayed = records["weight_decay"] > 0
    grown = records["outcome"] == Outcome.GENERALIZED
    with_it, without = grown[decayed].tolist(), grown[~decayed].tolist()
    says = "With weight decay the net generalizes, without it does not."
    statistic = f"{counted(with_it)} runs generalize with it, {counted(without)} without"
    if not (with_it and without):
        return [Statement(says, Agreement.OPEN, statistic, "runs of both kinds are needed")]
    agrees = all(with_it) and not any(without)
    why = "" if agrees else "enough pairs generalize here whatever the decay, or too few steps do"
    outcome = Statement(
        says, Agreement.AGREES if agrees else Agreement.DISAGREES, statistic, why
    )  # fmt: skip
    assert numbers.probes is not None
    return [outcome, _vanishing(numbers.probes, records)]


def _vanishing(probes: pd.DataFrame, records: pd.DataFrame) -> Statement:
    """‖G_F‖ at the last measurement of each run over its largest."""
    says = "Without weight decay the gradient at the features vanishes, with it some stays."
    norms = probes.groupby("fingerprint")["grad_features"].agg(["last", "max"])
    left = (norms["last"] / norms["max"]).map(np.log).dropna()
    kept = records.set_index("fingerprint")["weight_decay"].reindex(left.index) > 0
    if not (kept.any() and (~kept).any()):
        rest = f"{kept.sum()} runs were probed with weight decay, {(~kept).sum()} without"
        return Statement(says, Agreement.OPEN, rest, "runs of both kinds are needed")
    with_it, without = (mean_of(left[rows], logarithms=True) for rows in (kept, ~kept))
    ratio = np.log(without.value / with_it.value)
    statistic = (
        f"of its largest, {with_it.value:.2g} [{with_it.low:.2g}, {with_it.high:.2g}] is left with "
        f"weight decay and {without.value:.2g} [{without.low:.2g}, {without.high:.2g}] without, 95 "
        f"% over {with_it.count} and {without.count} runs"
    )
    apart = with_it.low > without.high or without.low > with_it.high
    if not apart:
        return Statement(says, Agreement.OPEN, statistic, "the intervals overlap")
    found = Agreement.AGREES if ratio < 0 else Agreement.DISAGREES
    why = "" if ratio < 0 else "what is left is more without it"
    return Statement(says, found, statistic, why)


def draw_energy(numbers: Numbers) -> dict[str, Figure]:
    """Mean energy of the features at the end over the learning rate: a panel an n, a dot a run."""
    runs = _ended(numbers)
    if runs.empty:
        return {"energy": message("No energies: no run was probed for them.")}
    colours = dict(zip(Outcome, sns.color_palette("colorblind"), strict=False))
    sizes = list(runs.groupby("n_train"))
    M, K = runs[["group_order", "hidden_size"]].iloc[0]
    with styled():
        size = (PANEL[0] * (0.6 + 0.4 * len(sizes)), PANEL[1])
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
        for axes, (n, part) in zip(panels, sizes, strict=True):
            for outcome, ended in part.groupby("outcome"):
                axes.plot(ended["learning_rate"], ended["height"], "o", alpha=0.8,
                          color=colours[Outcome(str(outcome))], markersize=5)  # fmt: skip
            axes.axhline(0.5, color="0.3", linestyle="--", linewidth=1)
            axes.set_xscale("log")
            axes.set_xlabel("learning rate")
            axes.set_title(f"$n = {n:,}$ $({n / (M * np.log(M)):.2f}$ $M\\,\\log M)$")
        panels[0].set_ylim(bottom=0)
        panels[0].set_ylabel("mean energy of the features, in $M/8$")
        keys = [
            Line2D([], [], marker="o", linestyle="", color=colours[outcome], label=str(outcome))
            for outcome in Outcome
            if (runs["outcome"] == outcome).any()
        ]
        line = Line2D([], [], color="0.3", linestyle="--", linewidth=1,
                      label="a frequency, all pairs seen (Theorem 2)")  # fmt: skip
        legend_below(figure, [*keys, line], len(keys) + 1)
        figure.suptitle(f"$M = {M}$, $K = {K}$")
        return {"energy": figure}


def judge_energy(numbers: Numbers) -> list[Statement]:
    """Whether memorizing runs end higher, and whether large rates are those that memorize."""
    runs = _ended(numbers)
    runs = runs[runs["outcome"].isin([Outcome.GENERALIZED, Outcome.MEMORIZED])]
    height = np.log(runs["height"])
    grown = runs["outcome"] == Outcome.GENERALIZED
    says = "Near the boundary runs that memorize end at much higher energy than those that do not."
    if min(grown.sum(), (~grown).sum()) < _FEWEST:
        rest = f"{grown.sum()} runs generalize, {(~grown).sum()} memorize"
        return [Statement(says, Agreement.OPEN, rest, "several of both kinds are needed")]
    ratio = ratio_within(height, ~grown, runs["n_train"])
    if ratio is None:
        rest = f"{grown.sum()} runs generalize, {(~grown).sum()} memorize, at other n"
        return [Statement(says, Agreement.OPEN, rest, "both are needed at one n")]
    statistic = (
        f"energies of runs that memorize are {ratio.between()} times those of runs that generalize "
        f"at the same n, 95 % over {ratio.count} runs; from {MUCH} on it is much"
    )
    agreement = compared(ratio, MUCH, above=True)
    if agreement is Agreement.DISAGREES and ratio.low > 1:
        agreement = Agreement.OPEN
    why = {
        Agreement.AGREES: "",
        Agreement.OPEN: "it is higher, but not by so much"
        if ratio.low > 1
        else "the interval holds 1",
        Agreement.DISAGREES: "it is not higher",
    }[agreement]
    return [Statement(says, agreement, statistic, why), _memorizing_rates(runs)]


def _memorizing_rates(runs: pd.DataFrame) -> Statement:
    """Rates that memorize over those that generalize, within each seed."""
    says = "There it is the large learning rates that memorize."
    outcome = np.where(runs["outcome"] == Outcome.GENERALIZED, "grown", "not")
    rates = (
        runs.assign(grown=outcome, rate=np.log(runs["learning_rate"]))
        .pivot_table("rate", "init_seed", "grown")
        .dropna()
    )
    if rates.empty:
        return Statement(says, Agreement.OPEN, "no seed has both kinds", "both are needed")
    ratio = mean_of(rates["not"] - rates["grown"], logarithms=True)
    statistic = (
        f"the rates that memorize are {ratio.between(1)} times those that generalize, geometric "
        f"means, 95 % over {ratio.count} seeds"
    )
    found = compared(ratio, 1.0, above=True)
    why = {
        Agreement.AGREES: "",
        Agreement.OPEN: "within the horizon rates that are too small memorize, too",
        Agreement.DISAGREES: "it is the small rates that memorize, within the horizon",
    }
    return Statement(says, found, statistic, why[found])


def _ended(numbers: Numbers) -> pd.DataFrame:
    records = numbers.records
    assert numbers.probes is not None
    last = numbers.probes.dropna(subset="height").groupby("fingerprint")["height"].last()
    return records.assign(height=records["fingerprint"].map(last)).dropna(subset="height")
