"""The tables of the command line as a paper has them, in LaTeX: one a setting."""

from collections.abc import Callable, Sequence

import pandas as pd

from analysis.latex import (
    NONE,
    Column,
    Row,
    formula,
    group_name,
    interval,
    latex_table,
    law_name,
    number,
    p_value,
    percent,
    symbol,
    text,
)


def threshold_latex(frame: pd.DataFrame) -> str:
    """Thresholds by group.

    Args:
        frame: As `threshold_frame` gives it.

    Returns:
        A table a setting, as all functions here; the document needs booktabs.
    """
    pairs = bool((frame["tuples"] == frame["group_order"] ** 2).all())
    columns = [
        Column("task", lambda row: group_name(row["task"]), left=True),
        Column("$M$", _whole("group_order")),
        Column("$n_c$", _number("n_c", ".1f")),
        Column("all brackets", lambda row: _ends(row, "n_low", "n_high")),
        Column("$n_c/M^2$" if pairs else "$n_c$/all", _number("n_c_share", ".3f")),
        Column(r"$n_c/(M \log M)$", _number("n_c_over_m_log_m", ".3f")),
        Column("seeds", lambda row: f"{row['seeds_bracketed']}/{row['seeds']}"),
    ]
    return _by_setting(
        frame, columns, "thresholds", lambda _: "Thresholds $n_c$, geometric means over seeds"
    )


def limit_latex(frame: pd.DataFrame) -> str:
    """Thresholds without a horizon.

    Args:
        frame: As `limit_frame` gives it.
    """
    columns = [
        Column("group", lambda row: group_name(row["group"]), left=True),
        Column("$M$", _whole("group_order")),
        Column(r"$n_c(\infty)$ [95\,\%]", _estimate("n_c")),
        Column("$z$", _number("z", ".2f")),
        Column("scatter of $t$", lambda row: percent(row["residual_sd"])),
        Column("runs", _whole("n_runs")),
        *_statuses(frame),
    ]
    said = r"Thresholds without a horizon, from $t = A\,(n/n_c - 1)^{-z}$"
    return _by_setting(frame, columns, "limits", lambda _: said)


def law_latex(frame: pd.DataFrame) -> str:
    """Laws with their parameters.

    Args:
        frame: As `LawFit.to_frame`, of one fit or several; with a column horizon_check, if it was.
    """
    again = frame.duplicated(["setting", "law"])
    shown = frame.assign(again=again.to_numpy())
    if "horizon_check" not in shown:
        shown = shown.assign(horizon_check="not_checked")

    def once(cell: Callable[[Row], str]) -> Callable[[Row], str]:
        return lambda row: "" if row["again"] else cell(row)

    columns = [
        Column("law", once(lambda row: law_name(row["law"])), left=True),
        Column("", lambda row: f"${symbol(row['parameter'])}$" if row["parameter"] else "", True),
        Column(r"estimate [95\,\%] (scatter)", _estimate("estimate", "low", "high")),
        Column("with the grid", lambda row: _ends(row, "low_with_grid", "high_with_grid", ".3f")),
        Column("residual sd", once(lambda row: percent(row["residual_sd"]))),
        Column("AICc", once(_number("aicc", ".1f"))),
        *_statuses(frame, once),
    ]
    return _by_setting(shown, columns, "laws", _of_laws)


def comparison_latex(frame: pd.DataFrame) -> str:
    """Laws against each other.

    Args:
        frame: As `compare_laws` gives it; with a column setting, if there are several.
    """
    columns = [
        Column("law", lambda row: law_name(row["law"]), left=True),
        Column("$k$", _whole("n_parameters")),
        Column("residual sd", lambda row: percent(row["residual_sd"])),
        Column(r"$\Delta$AICc (scatter)", _number("delta_aicc", ".1f")),
        Column("held out", lambda row: percent(row["held_out_error"])),
        Column("tested in", lambda row: law_name(row["family"]) or NONE, left=True),
        Column("$p$", lambda row: p_value(row["p_in_family"])),
        Column("$p$ (grid)", lambda row: p_value(row["p_with_grid"])),
    ]
    said = (
        r"Laws compared: $k$ parameters, residual standard deviation of $\log n_c$, error on the"
        r" largest groups when held out, and $p$ of a law in the family in which it is tested, from"
        r" the scatter and with the grid"
    )
    return _by_setting(frame, columns, "comparison", lambda _: said)


def scaling_latex(frame: pd.DataFrame) -> str:
    """The parameters of a scaling law.

    Args:
        frame: As `ScalingFit.to_frame` gives it.
    """
    columns = [
        Column("parameter", lambda row: f"${symbol(row['parameter'])}$", left=True),
        Column(r"estimate [95\,\%]", _estimate("estimate", "low", "high")),
    ]
    row = frame.iloc[0]
    words = [formula(row["formula"]), f"{row['n_rows']} rows"]
    words.append(f"log residuals of {number(row['residual_sd'], '.2g')}")
    words += [] if row["status"] == "ok" else [text(row["status"].replace("_", " "))]
    return latex_table(frame, columns, ", ".join(words), "tab:scaling")


def collapse_latex(frame: pd.DataFrame) -> str:
    """The exponents of the collapses; those that may not be quoted are left out.

    Args:
        frame: As `Collapse.to_frame` gives it.
    """
    quoted = _estimate("estimate", "low", "high")
    columns = [
        Column(r"$1/\nu$ [95\,\%]", lambda row: quoted(row) if row["status"] == "ok" else NONE),
        Column("$S$", _number("quality", ".2f")),
        Column("points", _whole("terms")),
        Column("orders", _whole("n_orders")),
        Column("$M^{*}$", _number("order_star", ".1f")),
        *_statuses(frame),
    ]
    return _by_setting(frame, columns, "collapse", lambda _: "Collapse of the accuracies")


def landscape_latex(delta: float) -> Callable[[pd.DataFrame], str]:
    """The three thresholds by group, of a frame as `three_thresholds` gives it.

    Args:
        delta: Failure probability δ.
    """
    most = rf"kept: {100 * (1 - delta):g}\,\%"
    columns = [
        Column("group", lambda row: group_name(row["group"]), left=True),
        Column("$M$", _whole("group_order")),
        Column("$d_k$", _whole("max_irrep_dim")),
        Column("trained $n_c$", _estimate("trained", form=".0f")),
        Column("kept: half", _estimate("kept_half", form=".0f")),
        Column(most, _estimate("kept_most", form=".0f")),
        Column("law fitted", _estimate("fitted", form=".0f")),
        Column("paper's code", _number("papers_code", ".0f")),
        Column("Theorem 4, $C = 1$", _number("theorem4", ".0f")),
    ]
    said = r"Thresholds of training, of the empirical energy $\hat{E}$ and of the formulas"
    return lambda frame: _by_setting(frame, columns, "landscape", lambda _: said)


def _by_setting(
    frame: pd.DataFrame,
    columns: Sequence[Column],
    label: str,
    caption: Callable[[pd.DataFrame], str],
) -> str:
    made = []
    named = frame if "setting" in frame else frame.assign(setting="")
    for place, (setting, part) in enumerate(named.groupby("setting", sort=False), start=1):
        where = f": {text(setting)}" if setting else ""
        mark = f"-{place}" if place > 1 else ""
        made.append(latex_table(part, columns, f"{caption(part)}{where}.", f"tab:{label}{mark}"))
    return "\n".join(made)


def _of_laws(part: pd.DataFrame) -> str:
    row = part.iloc[0]
    checks = {
        "not_checked": "the horizon was not checked",
        "stable": r"$\beta$ is stable with the horizon",
        "drifts": r"no verdict, for $\beta$ still moves with the horizon",
        "cannot_tell": r"no verdict, for whether $\beta$ moves with the horizon cannot be told",
        "no_law": "no law",
    }
    orders = f", $M = {row['order_min']}$ to ${row['order_max']}$" if row["n_groups"] else ""
    star = "" if pd.isna(row["order_star"]) else f", $M^{{*}} = {row['order_star']:.1f}$"
    told = part[["law", "formula"]].drop_duplicates("formula")
    laws = [f"{law_name(name)}: {formula(one)}" for name, one in told.itertuples(index=False)]
    said = f"Laws of {row['n_groups']} groups{orders}{star}; {checks[row['horizon_check']]}"
    return f"{said}. {'; '.join(laws)}. Setting"


def _statuses(
    frame: pd.DataFrame,
    once: Callable[[Callable[[Row], str]], Callable[[Row], str]] = lambda cell: cell,
) -> list[Column]:
    """A column that says how fits went, where not all went well."""
    column = Column("status", once(lambda row: text(row["status"].replace("_", " "))), left=True)
    return [] if (frame["status"] == "ok").all() else [column]


def _number(name: str, form: str) -> Callable[[Row], str]:
    return lambda row: number(row[name], form)


def _whole(name: str) -> Callable[[Row], str]:
    return lambda row: number(row[name], ".0f")


def _estimate(name: str, low: str = "", high: str = "", form: str = "") -> Callable[[Row], str]:
    low, high = low or f"{name}_low", high or f"{name}_high"
    if not form:
        return lambda row: interval(row[name], row[low], row[high])

    def cell(row: Row) -> str:
        value, told = number(row[name], form), _ends(row, low, high, form)
        return value if told == NONE else f"{value} {told}"

    return cell


def _ends(row: Row, low: str, high: str, form: str = ".0f") -> str:
    told = number(row[low], form), number(row[high], form)
    return NONE if told == (NONE, NONE) else f"[{told[0]}, {told[1]}]"
