"""Do the intervals, tests and refusals of the analysis hold what they say? On sweeps of known law.

python -m benchmarks.calibrate --sweeps 400 --out docs/calibration.md
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
import pandas as pd

from analysis import (
    Form,
    HorizonStatus,
    LawFit,
    compare_laws,
    fit_law,
    horizon_check,
    threshold_limits,
    thresholds,
)
from benchmarks.synthetic import Truth, synthetic_sweep

COVERS = 0.92, 0.98
"""What nominal 95 % intervals have to cover."""
MOST_BIAS = 0.015
"""Of β."""
POWER, SIZE = 0.95, 0.07
"""How often wrong laws have to be rejected at least, and the true one at most."""

SLOWNESSES = (2, 20, 60, 120, 240)
"""Steps at n = 2 n_c for M = 23, where a horizon is checked."""
_AT_ONCE = 50

SCENARIOS = {
    "plain": Truth(),
    "6 groups": Truth(groups=6),
    "16 groups": Truth(groups=16),
    "no scatter between orders": Truth(order_scatter=0.0),
    "10 % scatter between orders and seeds": Truth(order_scatter=0.1, seed_scatter=0.1),
    "soft transition, 4 % wide": Truth(softness=0.02),
    "2 % of runs on the wrong side": Truth(violation=0.02),
    "adaptive": Truth(adaptive=True),
    "adaptive, soft, 1 % wrong, 6 groups": Truth(
        groups=6, adaptive=True, softness=0.02, violation=0.01
    ),
    "β = 1": Truth(beta=1.0),
    "β = 2": Truth(beta=2.0),
    "d varies, γ = 2": Truth(groups=6, gamma=2.0),
    "Theorem 4, β = 1.25": Truth(theorem4=True),
    "Theorem 4, 6 groups": Truth(theorem4=True, groups=6),
    "Theorem 4, β = 1.1, adaptive": Truth(theorem4=True, beta=1.1, adaptive=True),
    "Theorem 4, d varies, γ = 2": Truth(theorem4=True, groups=6, gamma=2.0),
}


@dataclass(frozen=True)
class Coverage:
    """How well β, n* and γ are recovered.

    Attributes:
        name: Of the scenario.
        fitted: Share of sweeps that gave a law.
        beta: Share of intervals of β, from the scatter, that hold it.
        quoted: The same for the intervals widened by the brackets.
        n_star: Share of intervals of n* that hold it.
        gamma: The same for γ; NaN where d does not vary.
        bias: Mean of β̂ less β.
    """

    name: str
    fitted: float
    beta: float
    quoted: float
    n_star: float
    gamma: float
    bias: float

    @property
    def met(self) -> bool:
        """Whether intervals from the scatter cover what they should, and β is not biased."""
        shares = [one for one in (self.beta, self.n_star, self.gamma) if np.isfinite(one)]
        low, high = COVERS
        return all(low <= one <= high for one in shares) and abs(self.bias) <= MOST_BIAS


def coverage(name: str, truth: Truth, sweeps: int, seed: int = 0) -> Coverage:
    """Fit many sweeps of one truth.

    Args:
        name: Of the scenario.
        truth: What they follow.
        sweeps: How many.
        seed: Of everything random.
    """
    rng = np.random.default_rng(seed)
    form = Form.THEOREM_4 if truth.theorem4 else Form.POWER
    rows = []
    for cells in _swept(truth, sweeps, rng):
        law = fit_law(cells, form).law
        if law:
            rows.append(
                {
                    "beta": truth.beta in law.beta,
                    "quoted": truth.beta in law.quoted_beta,
                    "n_star": truth.n_star in law.n_star,
                    "gamma": truth.gamma in law.gamma if law.gamma and truth.gamma else np.nan,
                    "bias": law.beta.value - truth.beta,
                }
            )
    means = pd.DataFrame(rows).astype(float).mean()
    return Coverage(name, len(rows) / sweeps, *map(float, means))


def _swept(truth: Truth, sweeps: int, rng: np.random.Generator) -> Iterator[pd.DataFrame]:
    """The thresholds of one sweep after the other; many are read at once, each as a setting."""
    for begun in range(0, sweeps, _AT_ONCE):
        count = min(_AT_ONCE, sweeps - begun)
        records = [
            synthetic_sweep(truth, rng).assign(learning_rate=(i + 1) * 1e-4) for i in range(count)
        ]
        for _, cells in thresholds(pd.concat(records, ignore_index=True)).groupby("setting"):
            yield cells


def rejections(truth: Truth, sweeps: int, seed: int = 0) -> dict[str, tuple[float, float]]:
    """How often each fixed law is rejected where M log M holds.

    Args:
        truth: M log M is put in place of its β and form.
        sweeps: How many.
        seed: Of everything random.

    Returns:
        For each law the shares with p < 0.05 from the scatter, and with the grid.
    """
    rng = np.random.default_rng(seed)
    m_log_m = replace(truth, theorem4=True, beta=1 + 1 / np.log(truth.order_star))
    tables = [compare_laws(cells) for cells in _swept(m_log_m, sweeps, rng)]
    tested = pd.concat(tables).dropna(subset=["p_in_family"])
    shares = (tested.set_index("law")[["p_in_family", "p_with_grid"]] < 0.05).groupby("law").mean()
    return {str(law): (float(row.iloc[0]), float(row.iloc[1])) for law, row in shares.iterrows()}


@dataclass(frozen=True)
class Bent:
    """What a horizon does to the exponent, and whether it is noticed.

    Attributes:
        slowness: Of the sweeps.
        bias: Mean of β̂ less β within the horizon.
        refused: Share of sweeps without a verdict, for whatever reason the check gives.
        limits: Share of groups whose threshold without a horizon could be extrapolated.
        limit_covers: Share of those whose interval holds the mean threshold of the seeds.
        limit_bias: Mean of log n_c(∞) less its true value.
    """

    slowness: float
    bias: float
    refused: float
    limits: float
    limit_covers: float
    limit_bias: float


def bent(slowness: float, sweeps: int, seed: int = 0) -> Bent:
    """Sweeps whose steps to generalize diverge at the thresholds and grow with M.

    Args:
        slowness: Steps at n = 2 n_c for M = 23.
        sweeps: How many.
        seed: Of everything random.
    """
    rng = np.random.default_rng(seed)
    truth = Truth(slowness=slowness, seed_scatter=0.0, order_scatter=0.0)
    biases, refused, found, errors, hits, groups = [], 0, 0, [], 0, 0
    for _ in range(sweeps):
        records = synthetic_sweep(truth, rng)
        (check,) = horizon_check(records)
        refused += check.status is not HorizonStatus.STABLE
        fit: LawFit = check.fits[1.0]
        biases += [fit.law.beta.value - truth.beta] if fit.law else []
        for one in threshold_limits(records):
            groups += 1
            centre = truth.log_n_c(np.array([one.group_order], float), np.array([1.0]))[0]
            if one.n_c:
                found += 1
                errors.append(np.log(one.n_c.value) - centre)
                hits += float(np.exp(centre)) in one.n_c
    nothing = np.nan
    return Bent(
        slowness,
        float(np.mean(biases)) if biases else nothing,
        refused / sweeps,
        found / groups,
        hits / found if found else nothing,
        float(np.mean(errors)) if errors else nothing,
    )


def report(sweeps: int) -> Iterator[str]:
    """The lines of docs/calibration.md.

    Args:
        sweeps: Of each scenario; a 25th as many where a horizon is checked.
    """
    yield from _head(sweeps)
    yield "| sweeps | fitted | β | β with the grid | n* | γ | bias of β | met |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
    for name, truth in SCENARIOS.items():
        one = coverage(name, truth, sweeps)
        shares = [one.fitted, one.beta, one.quoted, one.n_star, one.gamma]
        cells = " | ".join(_percent(share) for share in shares)
        yield f"| {name} | {cells} | {_signed(one.bias)} | {'yes' if one.met else 'no'} |"
    yield from _rejection_lines(sweeps)
    yield from _bent_lines(max(1, sweeps // 25))


def _head(sweeps: int) -> Iterator[str]:
    yield "# Calibration"
    yield ""
    yield "Written by `make calibrate`: synthetic sweeps with a known law, as records, through the"
    yield f"whole analysis. {sweeps} sweeps a line (a 25th of that where a horizon is checked)."
    yield "Unless a line says otherwise: 8 orders from 23 to 127, β = 1.25, d = 1, 5 % scatter"
    yield "between orders and 2 % between 3 seeds, a sharp transition, grids of n 7 % apart."
    yield ""
    yield "## Intervals"
    yield ""
    yield "Shares of nominal 95 % intervals that hold the truth. From the scatter they should lie"
    yield f"between {COVERS[0]:.0%} and {COVERS[1]:.0%}, and the bias of β within ±{MOST_BIAS}; β"
    yield "with the grid also allows for what all brackets could have in common, and covers more."
    yield ""


def _rejection_lines(sweeps: int) -> Iterator[str]:
    yield ""
    yield "## Rejection of laws"
    yield ""
    yield "Where M log M holds: shares of sweeps in which a law is rejected in its family at 5 %."
    yield f"The wrong ones should be in {POWER:.0%} or more, M log M in {SIZE:.0%} or less."
    yield ""
    yield "| sweeps | law | from the scatter | with the grid | met |"
    yield "| --- | --- | ---: | ---: | --- |"
    designs = {"plain": Truth(), "6 groups": Truth(groups=6), "adaptive": Truth(adaptive=True)}
    for name, truth in designs.items():
        for law, (scatter, grid) in rejections(truth, sweeps).items():
            met = max(scatter, grid) <= SIZE if law == "M log M" else min(scatter, grid) >= POWER
            shares = f"{_percent(scatter)} | {_percent(grid)}"
            yield f"| {name} | {law} | {shares} | {'yes' if met else 'no'} |"


def _bent_lines(sweeps: int) -> Iterator[str]:
    yield ""
    yield "## The horizon"
    yield ""
    yield "Steps to generalize A (M/23)^1.5 (n/n_c − 1)^−1.2, scattering by 10 %, within 4,000"
    yield "steps; orders and seeds do not scatter. A horizon that bends β has to be refused."
    yield "n_c(∞) is extrapolated for each group."
    yield ""
    yield "| A | bias of β | no verdict | groups with n_c(∞) | of these covered | bias of n_c(∞) |"
    yield "| ---: | ---: | ---: | ---: | ---: | ---: |"
    for slowness in SLOWNESSES:
        one = bent(slowness, sweeps)
        shares = f"{_percent(one.refused)} | {_percent(one.limits)} | {_percent(one.limit_covers)}"
        yield f"| {slowness} | {_signed(one.bias)} | {shares} | {_percent(one.limit_bias)} |"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %".replace("-", "−") if np.isfinite(share) else "–"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−") if np.isfinite(value) else "–"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--sweeps", type=click.IntRange(1), default=400, show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("docs/calibration.md"), show_default=True
)
def main(sweeps: int, out: Path) -> None:
    """Calibrate the analysis on synthetic sweeps, and write the table."""
    lines = []
    for line in report(sweeps):
        click.echo(line)
        lines.append(line)
    aside = out.with_name(f"{out.name}.part")
    aside.write_text("\n".join(lines) + "\n", encoding="utf-8")
    aside.replace(out)


if __name__ == "__main__":
    main()
