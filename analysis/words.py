"""What a fit means, in plain words."""

from analysis.censored import CensoredFit
from analysis.horizon import HorizonCheck, HorizonStatus
from analysis.laws import Estimate, FitStatus, Form, Law, LawFit, constants
from analysis.seeds import SeedScatter


def span(estimate: Estimate) -> str:
    """The number and the ends of its interval, to two decimals."""
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def rival_exponents(law: Law) -> dict[str, float]:
    """The laws that β is held against, in words, each with its local exponent at M*."""
    return {
        "n ∝ M": 1.0,
        f"M log M (local exponent {law.m_log_m_beta:.2f})": law.m_log_m_beta,
        "M^(5/3)": 5 / 3,
        "M² (a constant fraction)": 2.0,
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
    if law.gamma:
        sentences.append(f"They go with d_k to the power {span(law.gamma)}; Theorem 4 has 2.")
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
    above = ", of which the theorem allows what is at most 1," if found.delta.high > 1 else ""
    return (
        f"As C M log(M/δ), Theorem 4 has δ = {span(found.delta)}{above} and C = {found.C:.2f} at"
        " that δ; the two can hardly be told apart, β and n* can."
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
    if scatter.split_sd is None or scatter.init_sd is None or scatter.residual_sd is None:
        return ""
    return (
        f"{scatter.setting}: n_c scatters by {100 * scatter.split_sd:.1f} % from split to split"
        f" (p = {scatter.split_p:.3f}), by {100 * scatter.init_sd:.1f} % with the initial weights"
        f" (p = {scatter.init_p:.3f}), and by {100 * scatter.residual_sd:.1f} % beside them"
        f" ({len(scatter.groups)} groups)."
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
