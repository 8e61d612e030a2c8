"""Thresholds and laws as plain values, for a terminal, a report or a JSON file."""

import math
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum

import numpy as np
import pandas as pd

from analysis.brackets import BracketStatus
from analysis.covariates import CovariateFit
from analysis.declared import DeclaredFit, DeclaredStatus
from analysis.finite_size import Collapse, collapse_words
from analysis.frames import threshold_frame
from analysis.horizon import HorizonCheck, HorizonStatus
from analysis.laws import FitStatus, LawFit, constants
from analysis.limits import Limit
from analysis.scaling import ScalingFit
from analysis.words import span, verdict

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]


@dataclass(frozen=True)
class Table:
    """Columns and rows of text, for whoever renders them."""

    columns: list[str]
    rows: list[list[str]]


def plain(value: object) -> Plain:
    """Nested values as JSON knows them; NaN, infinities and NA become None.

    A data frame becomes a list of its rows, a dataclass a dict of its fields, an enum its name in
    lower case.
    """
    if isinstance(value, Enum):
        return value.name.lower()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, pd.DataFrame):
        return [plain(row) for row in value.to_dict("records")]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value if isinstance(value, (bool, int, float)) else str(value)


def law_summary(fit: LawFit, check: HorizonCheck | None = None) -> dict[str, Plain]:
    """Everything about one fit, for a JSON file.

    Args:
        fit: The fit.
        check: The horizon check of its setting.
    """
    law = fit.law
    stable = check is None or check.status is HorizonStatus.STABLE
    summary = plain(fit)
    assert isinstance(summary, dict)
    return summary | {
        "status_text": str(fit.status),
        "quoted_beta": plain(law.quoted_beta) if law else None,
        "constants": plain(constants(law)) if law and stable else None,
        "horizon_check": _check_summary(check) if check else None,
        "verdict": verdict(fit, check),
    }


def collapse_summary(found: Collapse) -> dict[str, Plain]:
    """Everything about one collapse, for a JSON file.

    Args:
        found: As `collapse` gives it.
    """
    summary = plain(found)
    assert isinstance(summary, dict)
    return summary | {"status_text": str(found.status), "verdict": collapse_words(found)}


def threshold_table(thresholds: pd.DataFrame) -> Table:
    """One row a setting and group: n_c over its seeds, and what went wrong.

    Args:
        thresholds: As `thresholds` gives them.
    """
    pairs = bool((thresholds["tuples"] == thresholds["group_order"] ** 2).all())
    share = "n_c / M²" if pairs else "n_c / all"
    columns = ["group", "M", "n_c", share, "n_c / (M log M)", "brackets", "steps below / above"]
    columns += ["seeds", "notes"]
    several = len(thresholds["setting"].unique()) > 1
    rows = []
    groups = threshold_frame(thresholds).to_dict("records")
    by_group = thresholds.groupby(["setting", "group"], sort=False)
    for group, ((setting, _), cells) in zip(groups, by_group, strict=True):
        row = [
            str(group["task"]),
            str(group["group_order"]),
            _number(group["n_c"], ".1f"),
            _number(group["n_c_share"], ".3f"),
            _number(group["n_c_over_m_log_m"], ".3f"),
            ", ".join(_bracket(cell) for _, cell in cells.iterrows()),
            " / ".join(_number(group[f"steps_{end}"], ",.0f") for end in ("low", "high")),
            f"{group['seeds_bracketed']}/{group['seeds']}",
            _notes(cells),
        ]
        rows.append([str(setting), *row] if several else row)
    return Table(["setting", *columns] if several else columns, rows)


def limit_table(limits: list[Limit]) -> Table:
    """One row a setting and group: the threshold without a horizon, or why there is none.

    Args:
        limits: As `threshold_limits` gives them.
    """
    columns = ["setting", "group", "M", "n_c(∞)", "95 %", "z", "scatter of t", "runs", "status"]
    rows = []
    for one in limits:
        ends = f"{one.n_c.low:.1f} to {one.n_c.high:.1f}" if one.n_c else "–"
        numbers = [_number(one.n_c.value if one.n_c else None, ".1f"), ends]
        numbers += [_number(one.z, ".2f"), _percent(one.residual_sd), str(one.n_runs)]
        head = [one.setting, one.group, str(one.group_order)]
        rows.append([*head, *numbers, one.status.name.lower().replace("_", " ")])
    return Table(columns, rows)


def law_table(fits: list[LawFit]) -> Table:
    """One row a fit.

    Args:
        fits: As `fit_laws` gives them.
    """
    columns = [
        "setting", "law", "groups", "M", "β (scatter)", "β (with the grid)", "n* at M*",
        "γ (with the grid)",
        "residual sd", "AICc", "status",
    ]  # fmt: skip
    return Table(columns, [_law_row(fit) for fit in fits])


def rivals_table(rivals: pd.DataFrame) -> Table:
    """One row a law, the best by AICc first.

    Args:
        rivals: As `compare_laws` gives them.
    """
    columns = [
        "law", "parameters", "residual sd", "ΔAICc (scatter)",
        "error on the largest, held out",
        "tested in", "p (scatter)", "p (with the grid)",
    ]  # fmt: skip
    return Table(
        columns,
        [
            [
                row["law"],
                str(row["n_parameters"]),
                _percent(row["residual_sd"]),
                _number(row["delta_aicc"], ".1f"),
                _percent(row["held_out_error"]),
                row["family"] or "–",
                _p_value(row["p_in_family"]),
                _p_value(row["p_with_grid"]),
            ]
            for row in rivals.to_dict("records")
        ],
    )


def covariate_table(fit: CovariateFit) -> Table:
    """One row a covariate.

    Args:
        fit: As `fit_covariates` gives it, with slopes.
    """
    fitted = [str(len(fit.thresholds)), str(fit.n_settings), _percent(fit.misfit)]
    rows = []
    for name, mean in fit.at.items():
        slope = fit.slopes[name]
        power = [f"{slope.value:.3f}", f"{slope.low:.3f} to {slope.high:.3f}"]
        rows.append([name.replace("_", " "), *power, f"{mean:.3g}", *fitted])
    columns = ["covariate", "power", "95 % (with the grid)", "mean", "groups", "settings", "misfit"]
    return Table(columns, rows)


def declared_table(fits: list[DeclaredFit]) -> Table:
    """One row a parameter of a declared law.

    Args:
        fits: As `fit_law` gives them.
    """
    rows = []
    for fit in fits:
        head = [fit.law.name, fit.law.formula.text]
        status = _code(fit.status)
        if not fit.estimates:
            rows.append([*head, *["–"] * 5, status])
        for name, one in fit.estimates.items():
            ends = f"{one.low:.4g} to {one.high:.4g}"
            sd = _percent(fit.residual_sd)
            rows.append(
                [*head, name, f"{one.value:.4g}", ends, sd, _number(fit.aicc, ".1f"), status]
            )
            head, status = ["", ""], ""
    columns = ["law", "formula", "parameter", "value", "95 %", "residual sd", "AICc", "status"]
    return Table(columns, rows)


def scaling_table(fit: ScalingFit) -> Table:
    """One row a parameter.

    Args:
        fit: As `fit_scaling_law` gives it.
    """
    rows = [
        [name, f"{one.value:.5g}", _number(one.low, ".4g"), _number(one.high, ".4g")]
        for name, one in fit.estimates.items()
    ]
    return Table(["parameter", "value", "2.5 %", "97.5 %"], rows)


def declared_summary(fit: DeclaredFit) -> dict[str, Plain]:
    """Everything about one declared fit, for a JSON file.

    Args:
        fit: The fit.
    """
    return {
        "law": fit.law.name,
        "formula": fit.law.formula.text,
        "setting": fit.setting,
        "status": plain(fit.status),
        "reason": fit.reason,
        "estimates": plain(fit.estimates),
        "constants": plain(fit.constants),
        "residual_sd": plain(fit.residual_sd),
        "dof": fit.dof,
        "aicc": plain(fit.aicc),
        "groups": plain(fit.groups),
        "dropped": plain(fit.dropped),
    }


def _percent(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{100 * value:.1f} %"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None or not math.isfinite(value) else format(value, form)


def _p_value(value: float | None) -> str:
    small = value is not None and value < 0.0005
    return "< 0.001" if small else _number(value, ".3f")


def _bracket(cell: "pd.Series[float]") -> str:
    low, high = (_number(float(cell[name]), ".0f") for name in ("n_low", "n_high"))
    if low == high == "–":
        return "–"
    return {"–": f"< {high}"}.get(low, {"–": f"> {low}"}.get(high, f"{low}–{high}"))


def _notes(cells: pd.DataFrame) -> str:
    odd = cells.loc[cells["status"] != BracketStatus.BRACKETED, "status"].value_counts()
    notes = [f"{count} {str(status).replace('_', ' ')}" for status, count in odd.items()]
    if violations := cells["violations"].sum():
        notes.append(f"{violations} violations")
    if excluded := cells["n_excluded"].sum():
        notes.append(f"{excluded} runs failed")
    return ", ".join(notes)


def _law_row(fit: LawFit) -> list[str]:
    orders = fit.groups["group_order"]
    fitted = f"{orders.min()}–{orders.max()}" if len(orders) else "–"
    head = [fit.setting, str(fit.form), str(len(orders)), fitted]
    law = fit.law
    if law is None:
        return [*head, *["–"] * 6, _code(fit.status)]
    return [
        *head,
        span(law.beta),
        span(law.quoted_beta),
        f"{law.n_star.value:.1f} at {law.order_star:.1f}",
        span(law.quoted_gamma) if law.quoted_gamma else "–",
        f"{100 * law.residual_sd:.1f} %",
        _number(law.aicc, ".1f"),
        _code(fit.status),
    ]


def _code(status: FitStatus | DeclaredStatus) -> str:
    return status.name.lower().replace("_", " ")


def _check_summary(check: HorizonCheck) -> dict[str, Plain]:
    laws = {fraction: fit.law for fraction, fit in check.fits.items()}
    return {
        "status": plain(check.status),
        "status_text": str(check.status),
        "drift": check.drift,
        "allowed": plain(check.allowed),
        "at": [
            {
                "horizon_fraction": fraction,
                "groups": len(check.fits[fraction].groups),
                "beta": plain(law.beta) if law else None,
            }
            for fraction, law in laws.items()
        ],
    }
