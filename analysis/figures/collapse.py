"""The collapse: accuracies of all orders against n/n_c, as they are and scaled onto one curve."""

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from analysis.figures.style import PANEL, SIZE_COLOURS, message, styled, wrapped
from analysis.finite_size import Collapse


def collapse_figure(found: Collapse) -> Figure:
    """Mean accuracies with their errors, left against n/n_c − 1, right against the scaled size.

    Args:
        found: As `collapse` gives it.
    """
    points = found.points
    if found.inverse_nu is None:
        return message(f"No collapse: {found.status}.")
    with styled():
        figure = Figure(figsize=(1.75 * PANEL[0], PANEL[1] + 0.9), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        groups = points.groupby(["group_order", "group"])
        colours = sns.color_palette(SIZE_COLOURS, len(groups))
        markers = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "*"]
        for i, ((order, _), part) in enumerate(groups):
            over = part["n_train"] / part["n_c"] - 1
            for axes, x in ((left, over), (right, part["x"])):
                axes.errorbar(
                    x, part["accuracy"], yerr=part["error"], color=colours[i], elinewidth=0.8,
                    marker=markers[i % len(markers)], markersize=4, markeredgecolor="white",
                    markeredgewidth=0.4, linewidth=0.7, alpha=0.95,
                    label=f"$M$ = {order}" if axes is left else None,
                )  # fmt: skip
        _dress(left, "$n/n_c - 1$")
        star = f"{found.order_star:.1f}"
        _dress(right, f"$(n/n_c - 1)\\,(M/{star})^{{1/\\nu}}$")
        left.set_ylabel("accuracy, from chance to target")
        right.set_title(_note(found))
        figure.suptitle(wrapped(found.setting, 90), fontsize=9)
        figure.legend(loc="outside lower center", ncols=min(len(groups), 8))
        return figure


def _dress(axes: Axes, label: str) -> None:
    axes.set_xlabel(label)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.axvline(0, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
    axes.set_ylim(-0.12, 1.12)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))


def _note(found: Collapse) -> str:
    nu = found.inverse_nu
    assert nu is not None
    told = f"$1/\\nu$ = {nu.value:.2f} ± {nu.half_width:.2f}"
    if not found.quotable:
        told = f"$1/\\nu$ not to be quoted ({found.status.name.lower()})"
    return f"{told}, $S$ = {found.quality:.2f} ({found.terms} points)"
