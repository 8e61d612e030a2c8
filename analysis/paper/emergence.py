"""Figures 3 and 7: the gradient that reaches the features, and the energy they end with."""

from dataclasses import replace

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter
from scipy import stats

from analysis.figures.style import PANEL, legend_below, message, styled
from analysis.paper.numbers import Numbers
from analysis.paper.statements import (
    SIGNIFICANT,
    Agreement,
    Statement,
    compared,
    counted,
    counted_as,
    mean_of,
)
from sweeper.store.records import Outcome

GRADIENT = ("grad_features",)
HEIGHT = ("height",)
"""Columns of the probes."""

MUCH = 1.5
"""From which ratio of energies on one is much higher."""
_LEAST = 1e-12
"""What is left of a gradient that is exactly 0."""


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
    outcome = _outcomes(with_it, without)
    steps = records.loc[grown, "generalization_step"].astype(float)
    medians = steps.groupby(decayed[grown]).median()
    told = [
        f"{medians[flag]:,.0f} {word}"
        for flag, word in ((True, "with it"), (False, "without"))
        if flag in medians
    ]
    if told:
        statistic = f"{outcome.statistic}; the median step is {' and '.join(told)}"
        outcome = replace(outcome, statistic=statistic)
    if not (with_it and without):
        return [outcome]
    assert numbers.probes is not None
    return [outcome, _vanishing(numbers.probes, records)]


def _outcomes(with_it: list[bool], without: list[bool]) -> Statement:
    """Fisher's exact test, and where most runs of either kind end."""
    says = "With weight decay the net generalizes, without it does not."
    statistic = f"{counted(with_it)} runs generalize with it, {counted(without)} without"
    if not (with_it and without):
        return Statement(says, Agreement.OPEN, statistic, "runs of both kinds are needed")
    counts = np.array([[sum(kind), len(kind) - sum(kind)] for kind in (with_it, without)])
    p = float(stats.fisher_exact(counts, "greater").pvalue)
    statistic += f"; p = {p:.2g} (Fisher's exact test)"
    (with_share, without_share), sizes = counts[:, 0] / counts.sum(axis=1), counts.sum(axis=1)
    if p < SIGNIFICANT and with_share > 0.5 > without_share:
        return Statement(says, Agreement.AGREES, statistic)
    contrary = [
        stats.fisher_exact(counts, "less").pvalue,
        stats.binomtest(int(counts[0, 0]), int(sizes[0]), alternative="less").pvalue,
        stats.binomtest(int(counts[1, 0]), int(sizes[1]), alternative="greater").pvalue,
    ]
    if min(contrary) < SIGNIFICANT / len(contrary):
        why = "these pairs and steps decide, whatever the decay"
        return Statement(says, Agreement.DISAGREES, statistic, why)
    alike = float(stats.fisher_exact(np.diag(sizes), "greater").pvalue)
    why = "no difference is seen"
    if p < SIGNIFICANT:
        why = "weight decay matters, but most runs do not clearly end as stated"
    elif alike >= SIGNIFICANT:
        why = f"so few runs cannot tell: were they all as the paper says, p would be {alike:.2g}"
    return Statement(says, Agreement.OPEN, statistic, why)


def _vanishing(probes: pd.DataFrame, records: pd.DataFrame) -> Statement:
    """‖G_F‖ at the last measurement of each run over its largest."""
    says = "Without weight decay the gradient at the features vanishes, with it some stays."
    norms = probes.groupby("fingerprint")["grad_features"].agg(["last", "max"])
    left = (norms["last"] / norms["max"]).clip(lower=_LEAST).map(np.log).dropna()
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
    grown = runs["outcome"] == Outcome.GENERALIZED
    says = "Near the boundary runs that memorize end at much higher energy than those that do not."
    # The height depends on n, and so does the outcome: they are compared at the same n.
    heights = (
        runs.assign(grown=np.where(grown, "grown", "not"), height=np.log(runs["height"]))
        .pivot_table("height", ["init_seed", "n_train"], "grown")
        .reindex(columns=["grown", "not"])
        .dropna()
    )
    rest = f"{grown.sum()} runs generalize, {(~grown).sum()} memorize"
    if heights.empty:
        why = "both are needed at one n, of one seed"
        return [Statement(says, Agreement.OPEN, rest, why), _memorizing_rates(runs)]
    off = heights["not"] - heights["grown"]
    ratio = mean_of(off.groupby("init_seed").mean(), logarithms=True)
    statistic = (
        f"{rest}; where both do at one n, the energy of the former is "
        f"{np.exp(heights['grown'].mean()):.2f} of M/8, that of the latter {ratio.between()} times "
        f"as high, 95 % over {counted_as(ratio.count, 'seed')}; from {MUCH} times on it is much"
    )
    agreement = compared(ratio, MUCH, above=True)
    if agreement is Agreement.DISAGREES and ratio.low > 1:
        agreement = Agreement.OPEN
    higher = "it is higher, but by less" if ratio.high < MUCH else "it is higher, perhaps by less"
    why = {
        Agreement.AGREES: "",
        Agreement.OPEN: higher if ratio.low > 1 else "the interval holds 1",
        Agreement.DISAGREES: "it is lower" if ratio.high < 1 else "it is not so much higher",
    }[agreement]
    return [Statement(says, agreement, statistic, why), _memorizing_rates(runs)]


def _memorizing_rates(runs: pd.DataFrame) -> Statement:
    """Rates that memorize over those that generalize, within each seed."""
    says = "There it is the large learning rates that memorize."
    outcome = np.where(runs["outcome"] == Outcome.GENERALIZED, "grown", "not")
    rates = (
        runs.assign(grown=outcome, rate=np.log(runs["learning_rate"]))
        .pivot_table("rate", "init_seed", "grown")
        .reindex(columns=["grown", "not"])
        .dropna()
    )
    if rates.empty:
        return Statement(says, Agreement.OPEN, "no seed has both kinds", "both are needed")
    ratio = mean_of(rates["not"] - rates["grown"], logarithms=True)
    statistic = (
        f"the rates that memorize are {ratio.between(1)} times those that generalize, geometric "
        f"means, 95 % over {counted_as(ratio.count, 'seed')}"
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
