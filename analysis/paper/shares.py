"""Figure 6: shares of runs that generalize and that memorize, by learning rate."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from analysis.figures.style import PANEL, legend_below, styled
from analysis.paper.numbers import Numbers
from analysis.paper.statements import Agreement, Statement, compared, mean_of
from sweeper.store.records import Outcome
from sweeper.tasks.cuts import best_cut
from sweeper.tasks.predictions import CRITICAL_RATIO


def draw(numbers: Numbers) -> dict[str, Figure]:
    """Shares over n/(M log M), one row an outcome, one column an order."""
    records = numbers.records
    orders = sorted(records["group_order"].unique())
    rates = sorted(records["learning_rate"].unique())
    colours = sns.color_palette("viridis", len(rates) + 1)
    with styled():
        figure = Figure(figsize=(PANEL[0] * len(orders), 1.5 * PANEL[1]), layout="constrained")
        grid = figure.subplots(2, len(orders), sharey=True, sharex=True, squeeze=False)
        for outcome, row in zip((Outcome.GENERALIZED, Outcome.MEMORIZED), grid, strict=True):
            for order, axes in zip(orders, row, strict=True):
                part = records[records["group_order"] == order]
                is_so = (part["outcome"] == outcome).astype(float)
                size = part["n_over_m_log_m"].round(2)
                for rate, colour in zip(rates, colours, strict=False):
                    runs = part["learning_rate"] == rate
                    share = is_so[runs].groupby(size[runs]).mean()
                    axes.plot(share, "-o", markersize=3, color=colour, label=f"lr {rate:g}")
                label = f"{CRITICAL_RATIO} (paper's code)"
                axes.axvline(CRITICAL_RATIO, color="0.3", linestyle="--", linewidth=1, label=label)
                axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            row[0].set_ylabel(f"share {outcome}")
        for order, top, bottom in zip(orders, *grid, strict=True):
            seeds = records.loc[records["group_order"] == order, "init_seed"].nunique()
            top.set_title(f"$M = {order}$, {seeds} seeds")
            bottom.set_xlabel("$n\\,/\\,(M\\,\\log M)$")
        legend_below(figure, grid[0, 0].get_legend_handles_labels()[0], 6)
        return {"shares": figure}


def judge(numbers: Numbers) -> list[Statement]:
    """Whether runs memorize up to more pairs the larger the learning rate, within a seed."""
    return [_trend(part) for _, part in numbers.records.groupby("group_order")]


def _trend(records: pd.DataFrame) -> Statement:
    order = records["group_order"].iloc[0]
    says = (
        f"M = {order}: near the boundary a larger learning rate memorizes where a smaller does not."
    )
    cases = records.groupby(["init_seed", "learning_rate"]).ngroups
    limits = _memorizing_limits(records)
    slopes = [
        float(np.polyfit(np.log(seed["learning_rate"]), np.log(seed["limit"]), 1)[0])
        for _, seed in limits.groupby("seed")
        if len(seed) > 1
    ]
    if len(slopes) < 2:
        too_few = "in too few both ends lie inside the grid"
        return Statement(says, Agreement.OPEN, f"{len(slopes)} seeds", too_few)
    mean = mean_of(slopes)
    means = limits["limit"].map(np.log).groupby(limits["learning_rate"]).mean().map(np.exp)
    statistic = (
        f"runs memorize up to n = {', '.join(f'{n:.0f} at lr {lr:g}' for lr, n in means.items())}; "
        f"slope of its logarithm over log lr {mean.between(3)}, 95 % over {mean.count} seeds"
    )
    if outside := cases - len(limits):
        statistic += f"; left out: {outside} of {cases} rates of a seed, whose end is off the grid"
    found = compared(mean, 0.0, above=True)
    why = {
        Agreement.AGREES: "",
        Agreement.OPEN: "no trend is seen over these rates",
        Agreement.DISAGREES: "small rates memorize up to more pairs, within the horizon",
    }
    return Statement(says, found, statistic, why[found])


def _memorizing_limits(records: pd.DataFrame) -> pd.DataFrame:
    """Between which n runs cease to memorize: one row a seed and learning rate."""
    rows = []
    for (seed, rate), runs in records.groupby(["init_seed", "learning_rate"]):
        others = (runs["outcome"] != Outcome.MEMORIZED).to_numpy()
        cut = best_cut(runs["n_train"].to_numpy(), others)
        limit = float(np.sqrt(cut.n_low * cut.n_high))
        rows.append({"seed": seed, "learning_rate": rate, "limit": limit})
    return pd.DataFrame(rows).dropna()
