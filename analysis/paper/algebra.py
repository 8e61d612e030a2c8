"""CoGO's table of solutions and its distribution over weight decays: what nets have learned."""

import json

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from scipy import stats

from analysis.figures.style import PANEL, message, styled
from analysis.paper.numbers import Numbers
from analysis.paper.statements import SIGNIFICANT, Agreement, Statement

TABLE_DECAY, TABLE_WIDTH = 5e-5, 512
"""The setting of the table."""

FORMS = {
    "nu_i * xi": "z_{ν=i} * z_ξ",
    "nu_i * syn_ab": "z_{ν=i} * z_syn,αβ",
    "nu * syn": "z_ν * z_syn",
    "other": "other forms",
}
"""Forms of solutions as the algebra probe names them, and in words."""

_SYMBOLS = {
    "z_{ν=i} * z_ξ": r"$z_{\nu=i} * z_\xi$",
    "z_{ν=i} * z_syn,αβ": r"$z_{\nu=i} * z_{\mathrm{syn},\alpha\beta}$",
    "z_ν * z_syn": r"$z_\nu * z_\mathrm{syn}$",
}

PAPER = {
    23: [(47.07, 1.88), (11.31, 1.76), (39.80, 2.11), (1.82, 1.82)],
    71: [(72.57, 0.70), (4.00, 1.14), (21.14, 2.14), (2.29, 1.07)],
    127: [(82.96, 0.39), (2.25, 0.64), (14.13, 0.87), (0.66, 0.66)],
}
"""Percent of the frequencies by M, in the order of FORMS: mean and standard error over 5 seeds."""
_PAPER_SEEDS = 5
CLOSE = 15.0
"""Percentage points up to which shares agree; five seeds here and there leave about ten."""


def draw(numbers: Numbers) -> dict[str, Figure]:
    """Shares of orders and of forms, means over seeds: a bar for each M, K and weight decay."""
    found = _solutions(numbers.records)
    if found.empty:
        return {"algebra": message("No solutions: no run was probed for them.")}
    orders = ["3 or fewer", "4", "5", "6", "7 or more"]
    panels = {"order of the solution": orders, "form": [*FORMS.values(), "no product"]}
    settings = found.groupby(["group_order", "hidden_size", "weight_decay"])
    at = np.arange(settings.ngroups)
    with styled():
        size = (PANEL[0] * 1.9, 0.3 * len(at) + 1.6)
        figure = Figure(figsize=size, layout="constrained")
        for axes, (what, names) in zip(figure.subplots(1, 2, sharey=True), panels.items(),
                                       strict=True):  # fmt: skip
            means = settings[names].mean() / 100
            left = np.zeros(len(at))
            for name, colour in zip(names, sns.color_palette("colorblind"), strict=False):
                label = _SYMBOLS.get(name, name)
                axes.barh(at, means[name], left=left, color=colour, height=0.75, label=label)
                left += means[name].to_numpy()
            axes.set_xlabel("share of the frequencies")
            axes.set_title(what)
            axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            axes.set_xlim(0, 1)
            axes.legend(  # beneath the ticks and their title
                loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=4, ncols=3
            )
        words = [f"$M = {M}$, $K = {K}$, wd {decay:g}" for M, K, decay in means.index]
        figure.axes[0].set_yticks(at, words)
        figure.axes[0].invert_yaxis()
        return {"algebra": figure}


def judge(numbers: Numbers) -> list[Statement]:
    """Shares of the forms against the table, and whether orders 4 and 6 are all there is."""
    found = _solutions(numbers.records)
    at_table = found[
        np.isclose(found["weight_decay"], TABLE_DECAY) & (found["hidden_size"] == TABLE_WIDTH)
    ]
    statements = []
    for order, runs in at_table.groupby("group_order"):
        if len(runs) > 1 and order in PAPER:
            statements += [_orders(runs), _forms(runs)]
    return statements


def _orders(runs: pd.DataFrame) -> Statement:
    M = int(runs["group_order"].max())
    says = f"M = {M}: every frequency is solved by 4 or 6 nodes."
    count = len(runs) * (M // 2)
    others = round(float((100 - runs["4"] - runs["6"]).sum()) * (M // 2) / 100)
    most = stats.binomtest(others, count, alternative="less").proportion_ci(0.95).high
    statistic = f"{others} of {count} frequencies of {len(runs)} nets by another number"
    if others == 0:
        statistic += f"; that excludes a share above {100 * most:.1f} % (95 %, if independent)"
        return Statement(says, Agreement.AGREES, statistic)
    return Statement(
        says, Agreement.DISAGREES, statistic, "weight decay has not removed all superfluous nodes"
    )


def _forms(runs: pd.DataFrame) -> Statement:
    """Welch's t of each form, and intervals that hold for all forms at once (Bonferroni)."""
    M = int(runs["group_order"].max())
    says = f"M = {M}: the solutions have the forms of the table, in its shares."
    level = SIGNIFICANT / len(FORMS)
    told, off, wide = [], [], []
    for name, (mean, error) in zip(FORMS.values(), PAPER[M], strict=True):
        shares = runs[name].to_numpy(float)
        ours, own_error = shares.mean(), float(stats.sem(shares))
        told.append(f"{name} {ours:.1f} ± {own_error:.1f} for {mean:.1f} ± {error:.1f}")
        parts = np.array([own_error, error]) ** 2
        dofs = np.array([len(runs) - 1, _PAPER_SEEDS - 1])
        dof = parts.sum() ** 2 / (parts**2 / dofs).sum()
        margin = float(stats.t.ppf(1 - level / 2, dof) * np.sqrt(parts.sum()))
        if abs(ours - mean) > margin:
            off.append(name)
        elif not abs(ours - mean) + margin <= CLOSE:  # nor where there is no margin
            wide.append(name)
    statistic = (
        f"percent, with standard errors over {len(runs)} seeds: {', '.join(told)}; they agree up "
        f"to {CLOSE:.0f} points"
    )
    if off:
        why = (
            f"{', '.join(off)}: further off than both errors allow (t, 95 % for all forms at once);"
            " how far a solution has come when training ends moves it from one form to another "
            "(docs/dynamics.md)"
        )
        return Statement(says, Agreement.DISAGREES, statistic, why)
    if wide:
        why = (
            f"{', '.join(wide)}: may be further off than that, or not at all (t, 95 % for all forms"
            " at once)"
        )
        return Statement(says, Agreement.OPEN, statistic, why)
    return Statement(says, Agreement.AGREES, statistic)


def _solutions(records: pd.DataFrame) -> pd.DataFrame:
    """Percent of the frequencies of each order and form, one row a run."""
    runs = records.dropna(subset="solution").reset_index(drop=True)
    rows = []
    for text, M in zip(runs["solution"], runs["group_order"], strict=True):
        said = json.loads(text)
        orders, forms = said["orders"], said["forms"]
        row = {name: orders.get(name, 0) for name in ("4", "5", "6")}
        row["7 or more"] = sum(count for order, count in orders.items() if int(order) > 6)
        row["3 or fewer"] = sum(count for order, count in orders.items() if int(order) < 4)
        row |= {word: forms.get(name, 0) for name, word in FORMS.items()}
        row["no product"] = sum(orders.values()) - sum(row[word] for word in FORMS.values())
        rows.append({name: 100 * count / (M // 2) for name, count in row.items()})
    return runs.join(pd.DataFrame(rows))
