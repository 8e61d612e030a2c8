"""What a fit means, in plain words."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from analysis.censored import CensoredFit
from analysis.covariates import CovariateFit
from analysis.dims import Dim
from analysis.horizon import HorizonCheck, HorizonStatus
from analysis.laws import Estimate, FitStatus, Form, Law, LawFit, constants
from analysis.limits import Limit
from analysis.seeds import SeedScatter

UNSHARP = 0.05
"""Share of runs on the wrong side of their thresholds from which on words say so."""


def span(estimate: Estimate) -> str:
    """The number and the ends of its interval, to two decimals."""
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def rival_exponents(law: Law) -> dict[str, float]:
    """The laws that β is held against, in words, each with the β that it has here, if any."""
    beta = f"{law.m_log_m_beta:.2f}"
    like = f"local exponent {beta}" if law.form is Form.THEOREM_4 else f"here M^{beta}"
    words = {
        "M log M": f"M log M ({like})",
        "M²": "M² (a constant fraction)",
    }
    return {
        words.get(name, name): beta for name, beta in law.rival_betas.items() if not np.isnan(beta)
    }


def listed(names: list[str]) -> str:
    """Names as one writes them: a, b and c."""
    return ", ".join(names[:-1]) + (" and " if names[:-1] else "") + names[-1]


def verdict(fit: LawFit, check: HorizonCheck | None = None) -> str:
    """What a fit means in plain words, with the network, the optimizer and the horizon it is of.

    β's interval, widened by the resolution of n_train, decides which laws it excludes; the rest are
    consistent with the thresholds, which proves none of them. Refused where β moves with the
    horizon.

    Args:
        fit: The fit.
        check: The horizon check of its setting; without one, the words say so.
    """
    law = fit.law
    if law is None:
        return f"{fit.setting}: no law ({fit.form}), because {fit.status}."
    orders = fit.groups["group_order"]
    how = "as M to the power" if fit.form is Form.POWER else "with the local exponent"
    sentences = [
        f"{fit.setting}: n_c grows {how} β = {span(law.quoted_beta)} at"
        f" M* = {law.order_star:.1f} ({fit.form}, {len(orders)} groups, M = {orders.min()} to"
        f" {orders.max()})."
    ]
    if check and check.status is not HorizonStatus.STABLE:
        sentences.append(f"No verdict on the law, because {check.status}{_drift(check)}.")
    elif fit.status is not FitStatus.OK:
        sentences.append(f"No verdict on the law, because {fit.status}.")
    else:
        sentences += _comparison(law)
        if check is None:
            sentences.append("Whether β moves with the horizon was not checked.")
    if law.curvature and 0 not in law.curvature:
        bend = "up" if law.curvature.value > 0 else "down"
        sentences.append(
            f"The thresholds bend {bend} from this law (x² coefficient {span(law.curvature)}):"
            " β is a mean over these orders, not an exponent that will carry on."
        )
    if law.quoted_gamma:
        sentences.append(f"n_c goes as d to the power {span(law.quoted_gamma)}; Theorem 4 has 2.")
    if fit.violations > UNSHARP:
        sentences.append(
            f"{100 * fit.violations:.0f} % of the runs lie on the wrong side of their thresholds,"
            " which are less sharp than their brackets."
        )
    if fit.dropped:
        sentences.append(f"Left out: {'; '.join(fit.dropped)}.")
    return " ".join(sentences)


def theorem4_constants(fit: LawFit, check: HorizonCheck | None = None) -> str:
    """C and δ of n_c = C d_k² M log(M/δ) in words, or why the thresholds do not give them.

    Args:
        fit: Of the form of Theorem 4.
        check: The horizon check of its setting.
    """
    if fit.law is None:
        return f"No C and δ for Theorem 4, because {fit.status}."
    if check and check.status is not HorizonStatus.STABLE:
        return f"No C and δ for Theorem 4, because {check.status}."
    found = constants(fit.law)
    if found.delta is None or found.C is None:
        return f"No C and δ for Theorem 4, because {found.reason}."
    above = ", at most 1 by the theorem," if found.delta.high > 1 else ""
    return (
        f"As C M log(M/δ), Theorem 4 has δ = {span(found.delta)}{above} and C = {found.C:.2f} at"
        " that δ. The data hardly tell C from δ; β and n* they do tell."
    )


def censored_words(fit: CensoredFit) -> str:
    """What the groups that lie above what was run change; or nothing."""
    if fit.beta is None:
        return ""
    return (
        f"With {listed(list(fit.censored))}, whose thresholds lie above what was run, counted with"
        f" the chance that they do: β = {span(fit.beta)} ({fit.form}, scatter)."
    )


def scatter_words(scatter: SeedScatter) -> str:
    """What of the scatter comes from the split and what from the initial weights; or nothing."""
    if scatter.half_width is None:
        return ""
    seen = f"brackets leave ±{100 * scatter.half_width:.1f} %"
    count = f"{len(scatter.groups)} group{'s' * (len(scatter.groups) != 1)}"
    if scatter.split_sd is None or scatter.init_sd is None or scatter.residual_sd is None:
        return f"{scatter.setting}: {scatter.status} ({count}, {seen})."

    def tested(p: float | None) -> str:
        return "no p, for nothing is left to test it against" if p is None else f"p = {p:.3f}"

    return (
        f"{scatter.setting}: n_c scatters by {100 * scatter.split_sd:.1f} % from split to split"
        f" ({tested(scatter.split_p)}), by {100 * scatter.init_sd:.1f} % with the initial weights"
        f" ({tested(scatter.init_p)}), and by {100 * scatter.residual_sd:.1f} % beside them"
        f" ({count}, {seen})."
    )


def horizon_words(check: HorizonCheck) -> str:
    """How β moves with the horizon."""
    betas = [
        f"{fit.law.beta.value:.3f} at {fit.horizon_steps[1]:,} steps"
        for fit in check.fits.values()
        if fit.law
    ]
    told = f"β is {listed(betas)}: " if betas else ""
    return f"Horizon: {told}{check.status}{_drift(check)}."


def limit_words(limits: Sequence[Limit], limited: LawFit, within: LawFit) -> str:
    """Of how many groups n_c(∞) is known, and what it does to β.

    Args:
        limits: Of one setting.
        limited: The power law of these, as `limits_as_thresholds` has them.
        within: The power law of the same groups, with their thresholds within the horizon.
    """
    known = sum(one.n_c is not None for one in limits)
    told = f"The steps to generalize, t = A (n/n_c − 1)^(−z), tell n_c(∞) of {known} of"
    told += f" {len(limits)} groups."
    sentences = [told]
    if limited.law and within.law:
        moved = f"{limited.law.beta.value - within.law.beta.value:+.2f}".replace("-", "−")
        sentences.append(
            f"Over these β is {span(limited.law.beta)} without a horizon and"
            f" {span(within.law.beta)} within it (scatter): {moved}."
        )
    elif known:
        sentences.append(f"Of these no law, because {limited.status}.")
    causes = Counter(one.status for one in limits if one.n_c is None)
    sentences += [
        f"Not of {count} group{'s' * (count != 1)}: {status}." for status, count in causes.items()
    ]
    return " ".join(sentences)


def covariate_words(fit: CovariateFit) -> str:
    """How n_c goes with learning rate, weight decay and the like.

    Args:
        fit: As `fit_covariates` gives it.
    """
    if not fit.slopes:
        return f"{fit.setting}: no slopes, because {fit.status}."
    powers = [
        f"the {name.replace('_', ' ')} to the power {span(one)}" for name, one in fit.slopes.items()
    ]
    flat = [name.replace("_", " ") for name, one in fit.slopes.items() if 0 in one]
    sentences = [f"{fit.setting}: n_c goes with {listed(powers)}."]
    if flat:
        sentences.append(f"That it does not depend on the {listed(flat)} is possible.")
    if np.isnan(fit.misfit):
        sentences.append("Whether powers fit cannot be seen: no group has a setting to spare.")
    else:
        misfit = f"{100 * fit.misfit:.1f} % of n_c"
        sentences.append(f"Beside these powers the settings differ by {misfit}.")
    if fit.dropped:
        sentences.append(f"Left out: {'; '.join(fit.dropped)}.")
    return " ".join(sentences)


def dim_words(dim: Dim) -> str:
    """What d is under a convention."""
    return {
        Dim.COMPLEX: "d = max d_k, of the complex irreps",
        Dim.EFFECTIVE: "d = M/(8E*), of the real irreps",
    }[dim]


def dims_words(fits: Mapping[Dim, LawFit], checks: Mapping[Dim, HorizonCheck]) -> str:
    """What the power law leaves under each convention of d.

    Args:
        fits: The power law under each.
        checks: The horizon check under each; where one is not stable, the words say so.
    """
    parts = []
    for dim, fit in fits.items():
        if fit.law is None:
            parts.append(f"With {dim_words(dim)}: no law, because {fit.status}.")
            continue
        gamma = f", γ = {span(fit.law.quoted_gamma)}" if fit.law.quoted_gamma else ""
        stable = checks[dim].status is HorizonStatus.STABLE
        moves = "" if stable else ", which is no verdict: β moves with the horizon, or may"
        parts.append(
            f"With {dim_words(dim)}, the power law leaves {100 * fit.law.residual_sd:.1f} % of n_c"
            f" (β = {span(fit.law.quoted_beta)}{gamma}{moves})."
        )
    return " ".join(parts)


def _comparison(law: Law) -> list[str]:
    rivals = rival_exponents(law)
    beta = law.quoted_beta
    kept = [name for name, exponent in rivals.items() if exponent in beta]
    ruled_out = [name for name in rivals if name not in kept]
    sentences = []
    if kept:
        sentences.append(f"Consistent with {listed(kept)}, which is no proof of it.")
    if ruled_out:
        sentences.append(f"Not with {listed(ruled_out)}.")
    if len(kept) > 1:
        sentences.append(
            "To tell these apart, add orders at both ends of the range and space n_train more"
            " finely about the thresholds; more seeds help little."
        )
    return sentences


def _drift(check: HorizonCheck) -> str:
    if check.drift is None:
        return ""
    drift = f"{check.drift:+.3f}".replace("-", "−")
    return f" (by {drift} from half to the whole, against {check.allowed:.3f} allowed)"
