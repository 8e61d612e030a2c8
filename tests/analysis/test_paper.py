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

from analysis.paper import gallery_text, trainings, write_gallery, write_page
from analysis.paper.algebra import _solutions
from analysis.paper.algebra import judge as judge_algebra
from analysis.paper.boundaries import judge as judge_boundary
from analysis.paper.catalogue import FIGURES
from analysis.paper.emergence import judge_energy, judge_gradient
from analysis.paper.numbers import Numbers, measured
from analysis.paper.shares import judge as judge_shares
from analysis.paper.statements import Agreement, compared, mean_of, ratio_within
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
    if law is m_log_m:
        assert (growth.agreement, constant.agreement) == (Agreement.AGREES, Agreement.AGREES)
    else:
        assert growth.agreement is Agreement.DISAGREES
        (beta,) = re.findall(r"β = ([\d.]+)", growth.statistic)
        assert float(beta) == pytest.approx(2.0, abs=0.06)
        assert growth.why


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


def pairs(ratio: float, trial: Make, records: Records) -> pd.DataFrame:
    """Zero-init that takes `ratio` times the steps of 1,000 and some."""
    runs = [
        trial(23, n, seed, output_scale=scale, eval_every=1)
        for n in (300, 400)
        for seed in range(4)
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
    assert "8 pairs" in statement.statistic


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
    assert "6 pairs" in statement.statistic


def test_runs_that_never_generalize_are_told(trial: Make, records: Records) -> None:
    runs = [trial(23, 300, seed, network=network, ridge=ridge)
            for network, ridge in (("two_layer", 0.0), ("two_layer", 1e-4), ("complex", 0.0))
            for seed in range(2)]  # fmt: skip
    found = records(runs, lambda M, n, seed: 500)
    solved = (found["ridge"] > 0) & (found["init_seed"] == 1)
    found.loc[solved, ["outcome", "generalization_step"]] = ["memorized", pd.NA]
    real, complex_, ridge = trainings.judge_weights(Numbers(found))
    assert (real.agreement, complex_.agreement) == (Agreement.AGREES, Agreement.AGREES)
    assert (ridge.agreement, ridge.why) == (Agreement.OPEN, "the others: 1 memorized")
    assert ridge.statistic.startswith("1 of 2 runs")


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


@pytest.mark.parametrize(("syn", "agreement"), [(4, Agreement.AGREES), (1, Agreement.DISAGREES)])
def test_solutions_are_compared_with_the_table(
    syn: int, agreement: Agreement, trial: Make, records: Records
) -> None:
    runs = [trial(23, 476, seed, hidden_size=512, weight_decay=5e-5) for seed in range(5)]
    found = records(runs, lambda *_: 100)
    forms = [{"nu_i * xi": 5, "nu_i * syn_ab": 1 + seed % 2, "nu * syn": syn} for seed in range(5)]
    found["solution"] = [
        json.dumps({"orders": {"4": 5, "6": 6}, "forms": one | {"other": 11 - sum(one.values())}})
        for one in forms
    ]
    orders, shares = judge_algebra(Numbers(found))
    assert orders.agreement is Agreement.AGREES
    assert shares.agreement is agreement


def test_energies_are_compared_between_outcomes(trial: Make, records: Records) -> None:
    runs = [trial(23, 190, seed, learning_rate=rate) for rate in (0.002, 0.05) for seed in range(4)]
    found = records(runs, lambda *_: 800)
    large = found["learning_rate"] == 0.05
    found.loc[large, "outcome"] = "memorized"
    for high, agreement in ((1.1, Agreement.AGREES), (0.7, Agreement.OPEN)):
        heights = np.where(large, high, 0.6) * (1 + 0.02 * found["init_seed"])
        probes = pd.DataFrame({"fingerprint": found["fingerprint"], "step": 800, "height": heights})
        energy, rates = judge_energy(Numbers(found, probes=probes))
        assert (energy.agreement, rates.agreement) == (agreement, Agreement.AGREES)
        assert "25.0 [25.0, 25.0]" in rates.statistic


def test_values_are_compared_within_their_strata() -> None:
    """As by hand: a constant for each stratum leaves the mean of the differences."""
    logs = np.log([2.0, 1.0, 1.1, 30.0, 16.0, 14.0, 500.0])
    chosen = [True, False, False, True, False, False, True]
    ratio = ratio_within(logs, chosen, [1, 1, 1, 2, 2, 2, 3])
    assert ratio is not None
    off = logs - np.repeat([logs[:3].mean(), logs[3:6].mean(), logs[6]], [3, 3, 1])
    by_hand = np.mean(off[[0, 3]]) - np.mean(off[[1, 2, 4, 5]])
    assert ratio.value == pytest.approx(np.exp(by_hand))
    assert ratio.low < ratio.value < ratio.high
    assert ratio.count == 6
    assert ratio_within(logs[:2], [True, True], [1, 2]) is None


def test_energies_of_different_n_are_not_compared(trial: Make, records: Records) -> None:
    """Energy falls with n, so memorizing at fewer pairs says nothing of memorizing."""
    runs = [trial(23, n, seed) for n in (170, 200) for seed in range(4)]
    found = records(runs, lambda *_: 800)
    few = found["n_train"] == 170
    found.loc[few, "outcome"] = "memorized"
    heights = np.where(few, 1.1, 0.6) * (1 + 0.02 * found["init_seed"])
    probes = pd.DataFrame({"fingerprint": found["fingerprint"], "step": 800, "height": heights})
    (energy,) = judge_energy(Numbers(found, probes=probes))
    assert (energy.agreement, energy.why) == (Agreement.OPEN, "both are needed at one n")


@pytest.mark.parametrize("vanishes", [True, False])
def test_a_vanishing_gradient_is_seen(vanishes: bool, trial: Make, records: Records) -> None:
    runs = [trial(23, 190, seed, weight_decay=decay) for decay in (0.0, 2e-4) for seed in range(3)]
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
    runs = [trial(23, 190, seed) for seed in range(6)]
    found = records(runs, lambda *_: 800)
    found["outcome"] = ["memorized", "generalized"] * 3
    heights = [0.2, 0.5, 2.0, 0.5, 0.9, 0.6]
    probes = pd.DataFrame({"fingerprint": found["fingerprint"], "step": 800, "height": heights})
    energy, _ = judge_energy(Numbers(found, probes=probes))
    assert (energy.agreement, energy.why) == (Agreement.OPEN, "the interval holds 1")
