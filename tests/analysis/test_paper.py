"""The paper's figures: statements on results of known truth, the page, the kept gallery."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats

from analysis import compare_laws, fit_law, read_thresholds
from analysis.horizon import HorizonCheck, HorizonStatus
from analysis.paper import gallery_text, trainings, write_gallery, write_page
from analysis.paper.algebra import FORMS, PAPER, _forms, _solutions
from analysis.paper.algebra import judge as judge_algebra
from analysis.paper.boundaries import _growth
from analysis.paper.boundaries import judge as judge_boundary
from analysis.paper.catalogue import FIGURES
from analysis.paper.emergence import _outcomes, judge_energy, judge_gradient
from analysis.paper.gallery import _cost
from analysis.paper.numbers import Numbers, measured
from analysis.paper.shares import judge as judge_shares
from analysis.paper.statements import Agreement, compared, mean_of
from sweeper.spec.sweep import open_sweep
from sweeper.spec.trial import Trial
from sweeper.store.results import ResultsFolder
from tests.commands import called

GALLERY = Path("docs/gallery")
ORDERS = (11, 17, 23, 31, 41, 59, 83)
Make = Callable[..., Trial]
Records = Callable[..., pd.DataFrame]


def grid(trial: Make, n_c: Callable[[int], float], seeds: int = 2) -> list[Trial]:
    found = [
        trial(M, round(n_c(M) * ratio), seed)
        for M in ORDERS
        for ratio in np.geomspace(0.6, 1.7, 24)
        for seed in range(seeds)
        if n_c(M) * ratio < M * M
    ]
    return list({one.fingerprint: one for one in found}.values())


def m_log_m(M: int) -> float:
    return 2.7482 * M * math.log(M)


def fraction(M: int) -> float:
    return 0.35 * M * M


def jitter(M: int, seed: int) -> float:
    return math.exp(0.02 * math.sin(7.0 * M + seed))


@pytest.mark.parametrize("law", [m_log_m, fraction])
def test_a_boundary_agrees_with_m_log_m_only_if_it_grows_so(
    law: Callable[[int], float], trial: Make, records: Records
) -> None:
    runs = records(
        grid(trial, law), lambda M, n, seed: 900 if n > law(M) * jitter(M, seed) else math.inf
    )
    growth, constant = judge_boundary(Numbers(runs))
    others = re.search(r"p = (\S+) for n ∝ M, (\S+) for M log M, (\S+) for M\^", growth.statistic)
    assert others
    if law is m_log_m:
        assert float(others[2]) > 0.05 > max(float(others[1]), float(others[3]))
        assert (growth.agreement, constant.agreement) == (Agreement.AGREES, Agreement.AGREES)
    else:
        assert growth.agreement is Agreement.DISAGREES
        (beta,) = re.findall(r"β = ([\d.]+)", growth.statistic)
        assert float(beta) == pytest.approx(2.0, abs=0.06)
        assert growth.why


def test_a_boundary_excluded_by_the_interval_it_quotes_is_no_agreement() -> None:
    """Inside Theorem 4, M log M is not rejected here; by the power law's β it is."""
    cells = read_thresholds("docs/measured/cyclic.parquet")
    fit = fit_law(cells)
    growth = _growth(cells, HorizonCheck("", HorizonStatus.STABLE, {1.0: fit}, 0.0, 0.05))
    assert compare_laws(cells).set_index("law")["p_with_grid"]["M log M"] > 0.05
    assert fit.law
    assert fit.law.m_log_m_beta < fit.law.quoted_beta.low
    assert growth.agreement is Agreement.DISAGREES
    assert growth.why == "M log M is rejected: β lies above its slope"


def test_a_boundary_that_other_laws_fit_as_well_is_no_agreement(
    trial: Make, records: Records
) -> None:
    """n ∝ M on cells 65 % wide: M log M is not rejected, nor is what holds."""
    sizes = np.geomspace(1.0, 60, 9)
    runs = [trial(M, round(r * M), seed) for M in ORDERS for r in sizes if r < M for seed in (0, 1)]
    growth, constant = judge_boundary(
        Numbers(records(runs, lambda M, n, seed: 900 if n > 7 * M else math.inf))
    )
    assert growth.agreement is Agreement.OPEN
    assert growth.why.startswith("n ∝ M cannot be rejected either")
    assert constant.agreement is not Agreement.AGREES


def test_one_order_says_nothing_of_a_constant(trial: Make, records: Records) -> None:
    runs = records(
        [trial(23, n) for n in range(150, 260, 4)],
        lambda M, n, seed: 900 if n > m_log_m(M) else math.inf,
    )
    growth, constant = judge_boundary(Numbers(runs))
    assert (growth.agreement, constant.agreement) == (Agreement.OPEN, Agreement.OPEN)
    assert "[0.000, inf]" in constant.statistic


def test_an_exponent_that_moves_with_the_horizon_is_no_agreement(
    diverging_sweep: Records,
) -> None:
    growth, _ = judge_boundary(Numbers(diverging_sweep(slowness=60)))
    assert growth.agreement is Agreement.OPEN
    assert growth.why.startswith("β still moves with the horizon")


@pytest.mark.parametrize(
    ("power", "agreement"),
    [(0.3, Agreement.AGREES), (-0.3, Agreement.DISAGREES), (0.0, Agreement.OPEN)],
)
def test_a_trend_over_learning_rates_is_seen(
    power: float, agreement: Agreement, trial: Make, records: Records
) -> None:
    rates = (0.002, 0.005, 0.01)
    parts = []
    for rate in rates:
        n_c = 200 * (rate / 0.005) ** power
        runs = [
            trial(23, n, seed, learning_rate=rate)
            for n in range(110, 330, 8)
            for seed in range(4)
        ]  # fmt: skip
        parts.append(
            records(
                runs, lambda M, n, seed, n_c=n_c: 900 if n > n_c * (1 + seed / 20) else math.inf
            )
        )
    found = pd.concat(parts, ignore_index=True)
    found["outcome"] = found["outcome"].where(found["outcome"] == "generalized", "memorized")
    (statement,) = judge_shares(Numbers(found))
    assert statement.agreement is agreement


def pairs(ratio: float, trial: Make, records: Records, seeds: int = 4) -> pd.DataFrame:
    """Zero-init that takes `ratio` times the steps of 1,000 and some."""
    runs = [
        trial(23, n, seed, output_scale=scale, eval_every=1)
        for n in (300, 400)
        for seed in range(seeds)
        for scale in (0.0, 1.0)
    ]
    found = records(runs, lambda M, n, seed: 1000 + 40 * seed)
    steps = found["generalization_step"].astype(float)
    noise = 1 + 0.02 * np.sin(np.arange(len(found)))
    steps = (steps * np.where(found["output_scale"] == 0, ratio, 1.0) * noise).round()
    return found.assign(generalization_step=steps.astype("Int64"))


@pytest.mark.parametrize(
    ("ratio", "agreement"),
    [(0.8, Agreement.AGREES), (1.25, Agreement.DISAGREES), (1.0, Agreement.OPEN)],
)
def test_zero_init_is_compared_within_pairs(
    ratio: float, agreement: Agreement, trial: Make, records: Records
) -> None:
    (statement,) = trainings.judge_zero_init(Numbers(pairs(ratio, trial, records)))
    assert statement.agreement is agreement
    assert "95 % over 4 seeds, each of one order, 8 pairs of runs" in statement.statistic


def test_runs_of_a_seed_are_no_independent_pairs(trial: Make, records: Records) -> None:
    """Two seeds that differ, 20 sizes each: 40 pairs would make much too narrow an interval."""
    runs = [
        trial(23, n, seed, output_scale=scale, eval_every=1)
        for n in range(200, 400, 10)
        for seed in (0, 1)
        for scale in (0.0, 1.0)
    ]
    found = records(runs, lambda *_: 1000)
    zero = found["output_scale"] == 0
    steps = np.where(zero, np.where(found["init_seed"] == 0, 600, 900), 1000)
    (statement,) = trainings.judge_zero_init(Numbers(found.assign(generalization_step=steps)))
    assert statement.agreement is Agreement.OPEN
    half = math.log(900 / 600) / 2 * 12.7062  # t on 1 degree of freedom
    low, high = (f"{math.sqrt(0.54) * math.exp(sign * half):.2f}" for sign in (-1, 1))
    assert f"0.73 [{low}, {high}], 95 % over 2 seeds" in statement.statistic


def test_pairs_in_which_one_run_never_generalizes_are_not_left_out(
    trial: Make, records: Records
) -> None:
    found = pairs(0.8, trial, records, seeds=6)
    zero, size = found["output_scale"] == 0, found["n_train"] == 300
    only_zero = found.assign(
        generalization_step=found["generalization_step"].mask(~zero & size, pd.NA)
    )
    (statement,) = trainings.judge_zero_init(Numbers(only_zero))
    assert statement.agreement is Agreement.AGREES
    assert "of these 6 generalize within the horizon from zero alone and 0" in statement.statistic
    # 0.8 at one size; some 0.8 · 1,060/4,000 at the other
    assert float(re.findall(r"ordinary: ([\d.]+)", statement.statistic)[0]) < 0.45
    against = found.assign(
        generalization_step=found["generalization_step"].mask(
            zero & size & (found["init_seed"] == 0), pd.NA
        ),
        max_steps=1100,
    )
    (statement,) = trainings.judge_zero_init(Numbers(against))
    assert statement.agreement is Agreement.OPEN
    assert " 1 from the ordinary alone" in statement.statistic


def test_zero_init_alone_generalizing_is_evidence(trial: Make, records: Records) -> None:
    found = pairs(0.8, trial, records, seeds=6)
    ordinary = found["output_scale"] == 1
    never = found.assign(generalization_step=found["generalization_step"].mask(ordinary, pd.NA))
    (statement,) = trainings.judge_zero_init(Numbers(never))
    assert statement.agreement is Agreement.AGREES
    stopped = never.assign(outcome=never["outcome"].mask(ordinary, "stopped"))
    (statement,) = trainings.judge_zero_init(Numbers(stopped))
    assert (statement.agreement, statement.statistic) == (Agreement.OPEN, "no pair of runs")
    neither = never.assign(generalization_step=never["generalization_step"].mask(~ordinary, pd.NA))
    (statement,) = trainings.judge_zero_init(Numbers(neither))
    assert statement.why == "none of a pair generalizes"


def test_optimizers_are_compared_at_their_best_rates(trial: Make, records: Records) -> None:
    runs = [
        trial(23, 300, seed, optimizer=optimizer, hidden_size=K, learning_rate=rate)
        for optimizer in ("adam", "muon")
        for K in (16, 32)
        for rate in (0.002, 0.02)
        for seed in range(3)
    ]
    found = records(runs, lambda *_: math.inf)
    adam = found["optimizer"] == "adam"
    at_best = found["learning_rate"] == np.where(adam, 0.002, 0.02)  # each has its own
    loss = np.where(adam, 0.2, 0.1) * np.where(at_best, 1.0, 50.0) * (1 + found["init_seed"] / 50)
    found["test_loss"] = loss
    (statement,) = trainings.judge_widths(Numbers(found))
    assert statement.agreement is Agreement.AGREES
    assert "0.50 [0.50, 0.50]" in statement.statistic
    assert "95 % over 3 seeds" in statement.statistic


def test_runs_that_never_generalize_are_told(trial: Make, records: Records) -> None:
    runs = [trial(23, 300, seed, network=network, ridge=ridge)
            for network, ridge in (("two_layer", 0.0), ("two_layer", 1e-4), ("complex", 0.0))
            for seed in range(3)]  # fmt: skip
    found = records(runs, lambda M, n, seed: 500)
    solved = (found["ridge"] > 0) & (found["init_seed"] == 1)
    found.loc[solved, ["outcome", "generalization_step"]] = ["memorized", pd.NA]
    real, complex_, ridge = trainings.judge_weights(Numbers(found))
    assert (real.agreement, complex_.agreement) == (Agreement.AGREES, Agreement.AGREES)
    assert (ridge.agreement, ridge.why) == (Agreement.OPEN, "the others: 1 memorized")
    assert ridge.statistic.startswith("2 of 3 runs of 3 seeds")
    few = trainings.judge_weights(Numbers(found[found["init_seed"] < 2]))
    assert [one.agreement for one in few[:2]] == [Agreement.OPEN, Agreement.OPEN]
    assert few[0].why == "fewer than 3 seeds"
    late = found["generalization_step"]
    at_once = found.assign(fit_step=found["fit_step"].mask(found["init_seed"] == 1, late))
    assert trainings.judge_weights(Numbers(at_once))[0].why == (
        "the others: 1 generalized as soon as it fitted"
    )
    none = found.assign(outcome="memorized")
    (real, *_) = trainings.judge_weights(Numbers(none))
    assert (real.agreement, real.why) == (Agreement.DISAGREES, "the others: 3 memorized")
    (real, *_) = trainings.judge_weights(Numbers(none[none["init_seed"] < 2]))
    assert (real.agreement, real.why) == (Agreement.OPEN, "fewer than 3 seeds")


def test_intervals() -> None:
    mean = mean_of([1.0, 2.0, 3.0])
    assert (mean.value, mean.count) == (2.0, 3)
    assert mean.high - mean.value == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert mean_of([math.log(2), math.log(8)], logarithms=True).value == pytest.approx(4)
    assert mean_of([1.0]).low == -math.inf
    assert compared(mean_of([0.0, 0.0]), 0.0, above=True) is Agreement.OPEN
    with pytest.raises(ValueError, match="no values"):
        mean_of([])


def test_the_page_shows_what_was_run_and_names_what_was_not(
    tmp_path: Path, trial: Make, tables: Callable[..., tuple[pa.Table, pa.Table]]
) -> None:
    runs = [
        trial(M, round(r * M * math.log(M)), seed, learning_rate=rate)
        for M in (23, 41) for r in (2.0, 2.5, 3.0, 3.5) for seed in (0, 1) for rate in (0.005, 0.02)
    ]  # fmt: skip
    kept = tables(runs, lambda M, n, seed: 900 if n > 2.6 * M * math.log(M) else math.inf)
    ResultsFolder.at(tmp_path / "figure06").write_shard("a", *kept)
    page, missing = write_page(str(tmp_path), tmp_path / "index.html")
    text = page.read_text()
    assert text.count('<img src="data:image/png;base64,') == 1
    assert "32 runs" in text
    assert "figure08" in missing
    assert "figure06" not in missing
    assert "http" not in text.replace("http-equiv", "")
    written = list(write_gallery(str(tmp_path), tmp_path / "gallery"))
    assert [path.name for path in written] == ["figure06_shares.png", "README.md"]
    assert written[-1].read_text() == gallery_text(tmp_path / "gallery")
    again = measured(str(tmp_path), "figure06")
    kept_again = Numbers.kept(tmp_path / "gallery" / "numbers", "figure06")
    pd.testing.assert_frame_equal(again.records, kept_again.records, check_dtype=False)


def test_what_no_run_measured_is_said_and_failed_runs_say_nothing(
    tmp_path: Path, trial: Make, tables: Callable[..., tuple[pa.Table, pa.Table]]
) -> None:
    """Sweeps that were run without their probes, and one of which all trials failed."""
    runs = [trial(23, 190, seed, hidden_size=512, weight_decay=5e-5) for seed in range(4)]
    kept, curves = tables(runs, lambda *_: 900)
    for spec in ("figure07", "cogo"):
        ResultsFolder.at(tmp_path / spec).write_shard("a", kept, curves)
    place = kept.column_names.index("outcome")
    failed = kept.set_column(place, kept.schema.field(place), pa.array(["failed"] * 4))
    ResultsFolder.at(tmp_path / "figure10").write_shard("a", failed, curves)
    said = called("paper", tmp_path.as_uri()).output
    page = tmp_path / "index.html"
    assert said.splitlines()[-1] == str(page)
    _, missing = write_page(f"{tmp_path.as_uri()}?", page)
    assert page.read_text().count('<img src="data:image/png;base64,') == 2
    assert "figure10" in missing
    assert not {"figure07", "cogo"} & set(missing)


def test_costs_are_told_without_a_device_or_hardware() -> None:
    runs = pd.DataFrame({"device": ["cpu", None], "hardware": [math.nan] * 2, "wall_time_s": 30.0})
    assert _cost(runs) == "2 runs, 1.0 minutes of one worker on cpu and an unknown device"
    runs = runs.assign(hardware=["Xeon", None])
    assert _cost(runs).endswith(" on Xeon and an unknown device")


def test_without_sweeps_there_is_no_page(tmp_path: Path) -> None:
    said = called("paper", tmp_path, code=2).output
    assert "sweeper run specs/paper/" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.key)
def test_every_figure_has_both_its_specs(figure: object) -> None:
    spec = figure.spec  # type: ignore[attr-defined]
    assert open_sweep(f"specs/paper/{spec}.yaml").spec.name == spec
    assert open_sweep(f"specs/paper/full/{spec}.yaml").spec.name == f"{spec}_full"


def test_every_statement_of_the_gallery_is_computed_from_its_numbers_again() -> None:
    assert gallery_text(GALLERY) == (GALLERY / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("decayed", "free", "agreement"),
    [
        ((15, 15), (0, 15), Agreement.AGREES),
        ((14, 15), (1, 15), Agreement.AGREES),  # a test, not every run
        ((2, 2), (0, 2), Agreement.OPEN),  # p = 1/6
        ((15, 15), (15, 15), Agreement.DISAGREES),
        ((0, 15), (0, 15), Agreement.DISAGREES),
        ((1, 8), (8, 8), Agreement.DISAGREES),
        ((5, 8), (4, 8), Agreement.OPEN),
    ],
)
def test_outcomes_are_compared_by_fishers_test(
    decayed: tuple[int, int], free: tuple[int, int], agreement: Agreement
) -> None:
    flags = [[i < grown for i in range(count)] for grown, count in (decayed, free)]
    found = _outcomes(*flags)
    assert found.agreement is agreement
    assert bool(found.why) == (agreement is not Agreement.AGREES)
    # hypergeometric: of all that generalize, as many or more with weight decay
    (a, A), (b, B) = decayed, free
    chance = sum(
        math.comb(A, i) * math.comb(B, a + b - i) for i in range(a, min(A, a + b) + 1)
    ) / math.comb(A + B, a + b)
    assert f"p = {chance:.2g} (" in found.statistic


@pytest.mark.parametrize(
    ("decayed", "free", "why"),
    [
        ((20, 20), (12, 20), "weight decay matters, but most runs do not clearly end as stated"),
        ((4, 4), (4, 4), "no difference is seen"),
        (
            (2, 2),
            (0, 2),
            "so few runs cannot tell: were they all as the paper says, p would be 0.17",
        ),
    ],
)
def test_why_outcomes_cannot_be_told(
    decayed: tuple[int, int], free: tuple[int, int], why: str
) -> None:
    found = _outcomes(*[[i < grown for i in range(count)] for grown, count in (decayed, free)])
    assert (found.agreement, found.why) == (Agreement.OPEN, why)


@pytest.mark.parametrize(
    ("syn", "agreement"),
    [
        ([4] * 5, Agreement.AGREES),
        ([1] * 5, Agreement.DISAGREES),
        ([5, 1, 3, 4, 5], Agreement.OPEN),  # as may be, 36 ± 7 % for 40 ± 2
    ],
)
def test_solutions_are_compared_with_the_table(
    syn: list[int], agreement: Agreement, trial: Make, records: Records
) -> None:
    runs = [trial(23, 476, seed, hidden_size=512, weight_decay=5e-5) for seed in range(5)]
    found = records(runs, lambda *_: 100)
    forms = [
        {"nu_i * xi": 5, "nu_i * syn_ab": 1 + (seed == 0), "nu * syn": syn[seed]}
        for seed in range(5)
    ]
    found["solution"] = [
        json.dumps({"orders": {"4": 5, "6": 6}, "forms": one | {"other": 11 - sum(one.values())}})
        for one in forms
    ]
    orders, shares = judge_algebra(Numbers(found))
    assert orders.agreement is Agreement.AGREES
    # 1 − 0.05^(1/55)
    assert "0 of 55 frequencies of 5 nets" in orders.statistic
    assert "above 5.3 %" in orders.statistic
    assert shares.agreement is agreement


def test_shares_without_an_error_are_no_agreement() -> None:
    shares = {name: [mean] * 5 for name, (mean, _) in zip(FORMS.values(), PAPER[23], strict=True)}
    runs = pd.DataFrame({"group_order": 23} | shares)
    assert _forms(runs).agreement is Agreement.AGREES
    assert _forms(runs.assign(**{FORMS["nu * syn"]: math.nan})).agreement is Agreement.OPEN


def test_four_shares_of_one_table_are_rarely_all_called_off_by_chance() -> None:
    """Nets drawn from the table itself: 5 % of the tables may disagree, not 5 % of the forms."""
    rng = np.random.default_rng(0)
    columns = {"group_order": 23, "4": 50.0, "6": 50.0}
    wrong = 0
    for _ in range(400):
        shares = {
            name: rng.normal(mean, error * math.sqrt(5), 5) + rng.normal(0, error)
            for name, (mean, error) in zip(FORMS.values(), PAPER[23], strict=True)
        }
        found = _forms(pd.DataFrame(columns | shares))
        wrong += found.agreement is Agreement.DISAGREES
    assert wrong <= stats.binom.ppf(0.999, 400, 0.05)


def test_energies_are_compared_between_outcomes(trial: Make, records: Records) -> None:
    runs = [trial(23, 190, seed, learning_rate=rate) for rate in (0.002, 0.05) for seed in range(4)]
    found = records(runs, lambda *_: 800)
    large = found["learning_rate"] == 0.05
    found.loc[large, "outcome"] = "memorized"
    for high, agreement in (
        (1.1, Agreement.AGREES), (0.7, Agreement.OPEN), (0.6, Agreement.DISAGREES),
        (0.5, Agreement.DISAGREES),
    ):  # fmt: skip
        heights = np.where(large, high, 0.6) * (1 + 0.02 * found["init_seed"])
        probes = pd.DataFrame({"fingerprint": found["fingerprint"], "step": 800, "height": heights})
        energy, rates = judge_energy(Numbers(found, probes=probes))
        assert (energy.agreement, rates.agreement) == (agreement, Agreement.AGREES)
        assert (energy.why == "it is lower") == (high < 0.6)
        assert "25.0 [25.0, 25.0]" in rates.statistic
        assert f"{high / 0.6:.2f} [" in energy.statistic
        assert "95 % over 4 seeds" in energy.statistic


def test_energies_are_compared_at_one_n(trial: Make, records: Records) -> None:
    """Fewer pairs end higher whatever the outcome, and more often memorize."""
    runs = [
        trial(23, n, seed, learning_rate=rate)
        for n in (180, 190, 200)
        for rate in (0.002, 0.01, 0.05)
        for seed in range(4)
    ]
    found = records(runs, lambda *_: 800)
    fewer = found["n_train"] == 180
    mixed = (found["n_train"] == 190) & (found["learning_rate"] == 0.05)
    found.loc[fewer | mixed, "outcome"] = "memorized"
    heights = np.where(fewer, 1.5, 0.5) * (1 + 0.001 * found["init_seed"])
    probes = pd.DataFrame({"fingerprint": found["fingerprint"], "step": 800, "height": heights})
    energy, _ = judge_energy(Numbers(found, probes=probes))
    assert "1.00 [1.00, 1.00] times as high" in energy.statistic
    assert energy.agreement is Agreement.DISAGREES


def test_energies_of_different_n_are_not_compared(trial: Make, records: Records) -> None:
    """Energy falls with n, so memorizing at fewer pairs says nothing of memorizing."""
    runs = [trial(23, n, seed) for n in (170, 200) for seed in range(4)]
    found = records(runs, lambda *_: 800)
    few = found["n_train"] == 170
    found.loc[few, "outcome"] = "memorized"
    heights = np.where(few, 1.1, 0.6) * (1 + 0.02 * found["init_seed"])
    probes = pd.DataFrame({"fingerprint": found["fingerprint"], "step": 800, "height": heights})
    energy, _ = judge_energy(Numbers(found, probes=probes))
    why = "both are needed at one n, of one seed"
    assert (energy.agreement, energy.why) == (Agreement.OPEN, why)


@pytest.mark.parametrize("vanishes", [True, False])
def test_a_vanishing_gradient_is_seen(vanishes: bool, trial: Make, records: Records) -> None:
    runs = [trial(23, 190, seed, weight_decay=decay) for decay in (0.0, 2e-4) for seed in range(4)]
    found = records(runs, lambda *_: 800)
    free = found["weight_decay"] == 0
    found.loc[free, "outcome"] = "memorized"
    left = np.where(free == vanishes, 1e-4, 0.1) * (1 + 0.1 * found["init_seed"])
    probes = pd.concat(
        pd.DataFrame({"fingerprint": found["fingerprint"], "step": step, "grad_features": value})
        for step, value in ((1, 10.0), (800, 10.0 * left))
    )
    outcome, gradient = judge_gradient(Numbers(found, probes=probes))
    assert outcome.agreement is Agreement.AGREES
    assert gradient.agreement is (Agreement.AGREES if vanishes else Agreement.DISAGREES)


def test_a_sweep_with_one_side_of_a_comparison_so_far_cannot_be_told(
    trial: Make, records: Records
) -> None:
    """As where a sweep was interrupted: a page all the same."""
    runs = [trial(23, 190, seed, weight_decay=2e-4) for seed in range(3)]
    found = records(runs, lambda *_: 800)
    found["test_loss"] = 0.1
    probes = pd.DataFrame(
        {"fingerprint": found["fingerprint"], "step": 800, "grad_features": 1.0, "height": 0.5}
    )
    numbers = Numbers(found, probes=probes)
    judged = [*judge_gradient(numbers), *judge_energy(numbers), *trainings.judge_widths(numbers),
              *trainings.judge_zero_init(numbers)]  # fmt: skip
    assert {one.agreement for one in judged} == {Agreement.OPEN}
    assert all(one.why for one in judged)


def test_orders_below_four_are_not_counted_as_large(trial: Make, records: Records) -> None:
    found = records([trial(23, 476)], lambda *_: 100)
    found["solution"] = json.dumps({"orders": {"0": 1, "3": 2, "4": 4, "8": 4}, "forms": {}})
    shares = _solutions(found).iloc[0]
    assert [round(shares[name] * 11 / 100) for name in ("3 or fewer", "4", "7 or more")] == [
        3,
        4,
        4,
    ]


def test_energies_that_scatter_are_not_called_higher(trial: Make, records: Records) -> None:
    runs = [trial(23, 190, seed, learning_rate=rate) for seed in range(3) for rate in (0.05, 0.002)]
    found = records(runs, lambda *_: 800)
    found["outcome"] = ["memorized", "generalized"] * 3
    heights = [0.2, 0.5, 2.0, 0.5, 0.9, 0.6]
    probes = pd.DataFrame({"fingerprint": found["fingerprint"], "step": 800, "height": heights})
    energy, _ = judge_energy(Numbers(found, probes=probes))
    assert (energy.agreement, energy.why) == (Agreement.OPEN, "the interval holds 1")
