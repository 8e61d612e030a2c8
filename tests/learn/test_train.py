"""The training loop: outcomes, packs, and the numbers of the theory."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from sweeper.learn.train import evaluation_steps, is_hopeless, train
from sweeper.spec.trial import Trial
from sweeper.store.records import Curve, Outcome, TrialResult

Make = Callable[..., Trial]


def results(pack: Sequence[Trial], **options: int) -> dict[str, TrialResult]:
    return {one.fingerprint: one for ended in train(pack, **options) for one in ended}  # type: ignore[arg-type]


def result(trial: Trial) -> TrialResult:
    (only,) = results([trial]).values()
    return only


def bits(one: TrialResult) -> object:
    """All that training found out, without its timing."""
    timing = {"wall_time_s": 0.0, "setup_s": 0.0, "evaluation_s": 0.0, "started_at": None}
    return replace(one, **timing)  # type: ignore[arg-type]


def test_evaluations_are_log_spaced_then_regular() -> None:
    assert evaluation_steps(100, 25) == [1, 2, 4, 8, 16, 25, 50, 75, 100]
    assert evaluation_steps(60, 25) == [1, 2, 4, 8, 16, 25, 50, 60]
    assert evaluation_steps(3, 25) == [1, 2, 3]
    assert evaluation_steps(3, 1) == [1, 2, 3]
    assert evaluation_steps(1, 1) == [1]


# ------------------------------------------------------------------ outcomes


def test_enough_data_generalizes_and_stops_there(trial: Make) -> None:
    found = result(trial(11, 95))
    curve = found.curve
    assert found.outcome is Outcome.GENERALIZED
    assert found.generalization_step == curve.step[-2]
    assert min(curve.test_accuracy[-2:]) >= 0.9
    assert all(min(two) < 0.9 for two in zip(curve.test_accuracy, curve.test_accuracy[1:-1]))  # noqa: B905
    assert found.fit_step is not None
    assert found.fit_step <= found.generalization_step
    assert found.n_test == 121 - 95
    assert found.train_flops == 6 * 95 * 256 * 11 * curve.step[-1]


def test_stopping_at_the_target_can_be_switched_off(trial: Make) -> None:
    short, long = result(trial(11, 95)), result(trial(11, 95, stop_at_target=False, max_steps=2000))
    assert long.outcome is Outcome.GENERALIZED
    assert long.generalization_step == short.generalization_step
    assert long.curve.step[-1] == 2000
    assert long.curve.test_accuracy[: len(short.curve.step)] == short.curve.test_accuracy


def test_little_data_is_memorized(trial: Make) -> None:
    found = result(trial(23, 100, max_steps=1000))
    assert found.outcome is Outcome.MEMORIZED
    assert found.curve.train_accuracy[-1] >= 0.99
    assert found.generalization_step is None


def test_between_the_two_is_unresolved(trial: Make) -> None:
    assert result(trial(11, 66, max_steps=2000)).outcome is Outcome.UNRESOLVED


def test_a_hopeless_trial_is_given_up_if_asked(trial: Make) -> None:
    whole = result(trial(23, 100, max_steps=2000))
    found = result(trial(23, 100, max_steps=2000, give_up_after=500))
    steps = len(found.curve.step)
    assert found.outcome is Outcome.STOPPED
    assert found.stop_rule == "no lower test loss and no higher test accuracy within 500 steps"
    assert found.generalization_step is None
    assert found.curve.step[-1] < 2000
    assert found.curve.test_loss == whole.curve.test_loss[:steps]
    assert found.fit_step is not None
    assert found.curve.step[-1] - 500 >= found.fit_step


def test_giving_up_leaves_those_that_generalize_as_they_are(trial: Make) -> None:
    whole = result(trial(11, 75, max_steps=4000))
    found = result(trial(11, 75, max_steps=4000, give_up_after=500))
    assert whole.outcome is Outcome.GENERALIZED
    assert bits(replace(found, fingerprint=whole.fingerprint)) == bits(whole)
    on = result(trial(11, 95, max_steps=3000, give_up_after=50, stop_at_target=False))
    assert (on.outcome, on.curve.step[-1]) == (Outcome.GENERALIZED, 3000)


@pytest.mark.parametrize(
    ("test_loss", "test_accuracy", "hopeless"),
    [
        ([2.0, 1.5, 1.6, 1.5, 1.7], [0.0, 0.1, 0.1, 0.0, 0.1], True),
        ([2.0, 1.5, 1.6, 1.4, 1.7], [0.0, 0.1, 0.1, 0.0, 0.1], False),  # the loss fell
        ([2.0, 1.5, 1.6, 1.5, 1.7], [0.0, 0.1, 0.1, 0.2, 0.1], False),  # the accuracy rose
        ([2.0, 2.5, 2.4, 2.3, 2.2], [0.0, 0.0, 0.0, 0.0, 0.0], False),  # falls from a hump
    ],
)
def test_hopeless_is_nothing_better_than_where_the_last_steps_began(
    test_loss: list[float], test_accuracy: list[float], hopeless: bool
) -> None:
    steps, none = [25, 50, 75, 100, 125], [0.0] * 5
    curve = Curve(steps, none, test_loss, none, test_accuracy)
    assert is_hopeless(curve, 25, 75) == hopeless
    assert not is_hopeless(curve, None, 75), "the training pairs are not fitted"
    assert not is_hopeless(curve, 75, 75), "they were fitted 50 steps ago"


def test_a_short_horizon_underfits(trial: Make) -> None:
    found = result(trial(11, 80, max_steps=5))
    assert found.outcome is Outcome.UNDERFIT
    assert found.fit_step is None


def test_one_evaluation_at_the_target_is_not_enough(trial: Make) -> None:
    first = result(trial(11, 95)).generalization_step
    assert first is not None
    assert result(trial(11, 95, max_steps=first)).outcome is Outcome.UNRESOLVED


def test_a_huge_learning_rate_diverges_and_leaves_its_neighbours_alone(trial: Make) -> None:
    calm, wild = trial(11, 95, max_steps=500), trial(11, 95, max_steps=500, learning_rate=1e18)
    for batch_size in (1, 3):
        found = results([calm, wild, replace(calm, init_seed=1)], batch_size=batch_size)
        assert found[wild.fingerprint].outcome is Outcome.DIVERGED
        others = results([calm, replace(calm, init_seed=1)], batch_size=min(2, batch_size))
        for name, one in others.items():
            assert found[name].outcome is one.outcome
            assert found[name].curve.train_loss == pytest.approx(one.curve.train_loss, rel=1e-2)


def test_an_error_is_recorded_with_its_traceback_and_the_others_go_on(trial: Make) -> None:
    broken, sound = trial(11, 80, group="C8"), trial(11, 95, max_steps=50)
    found = results([broken, sound])
    assert found[broken.fingerprint].outcome is Outcome.FAILED
    assert "unknown group 'C8'" in str(found[broken.fingerprint].error)
    assert "Traceback" in str(found[broken.fingerprint].error)
    assert found[sound.fingerprint].outcome is not Outcome.FAILED


def test_an_error_in_a_batch_costs_only_the_trial_that_made_it(
    trial: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a batch is too large for the memory: smaller ones are tried, down to one."""
    pack = [trial(11, 80 + i, max_steps=20) for i in range(7)]
    culprit = pack[4]
    from sweeper.learn import train as module

    def limited(one: Trial) -> torch.Tensor:
        if one == culprit:
            raise RuntimeError("out of memory")
        return original(one)

    original = module.initial_weights
    monkeypatch.setattr(module, "initial_weights", limited)
    found = results(pack, batch_size=7)
    assert len(found) == 7
    assert {name for name, one in found.items() if one.outcome is Outcome.FAILED} == {
        culprit.fingerprint
    }


def test_a_batch_too_large_for_the_memory_is_halved_until_it_fits(
    trial: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `torch.OutOfMemoryError` of a GPU; what did fit before is not trained again."""
    from sweeper.learn import train as module

    pack = [trial(11, 80 + i, max_steps=20) for i in range(7)]
    sizes = []

    def limited(batch: list[Trial], weights: torch.Tensor) -> object:
        sizes.append(len(batch))
        if len(batch) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return original(batch, weights)

    original = module.batch_of
    monkeypatch.setattr(module, "batch_of", limited)
    found = results(pack, batch_size=7)
    assert sizes == [7, 3, 1, 2, 4, 2, 2]
    assert all(found[one.fingerprint].outcome is not Outcome.FAILED for one in pack)
    assert all(found[one.fingerprint].curve.step[-1] == 20 for one in pack)


@pytest.mark.parametrize(
    ("error", "lacks"),
    [
        (MemoryError(), "MemoryError"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "OutOfMemoryError"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes"), "RuntimeError"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling x"), "RuntimeError"),
        (OSError(12, "Cannot allocate memory"), "OSError"),
        (RuntimeError("shapes differ"), None),
        (OSError(28, "No space left on device"), None),
    ],
)
def test_a_trial_that_does_not_fit_alone_says_that_memory_lacked(
    trial: Make, monkeypatch: pytest.MonkeyPatch, error: Exception, lacks: str | None
) -> None:
    def fails(one: Trial) -> torch.Tensor:
        raise error

    monkeypatch.setattr("sweeper.learn.train.initial_weights", fails)
    found = result(trial(11, 80))
    first = str(found.error).splitlines()[0]
    if lacks is None:
        assert first == "Traceback (most recent call last):"
    else:
        assert first == f"out of memory on cpu, with this trial alone: {lacks}"
        assert "Traceback (most recent call last):" in str(found.error)
    assert found.outcome is Outcome.FAILED
    assert 0 <= found.wall_time_s < 60


# ------------------------------------------------------------------ packs


def test_a_pack_gives_the_same_bits_as_each_trial_alone(trial: Make) -> None:
    """Any order, any neighbours: on a CPU the records are equal to the last bit."""
    pack = [
        trial(11, n, seed, max_steps=steps, learning_rate=rate, hidden_size=50)
        for n, seed, steps, rate in [(95, 0, 900, 0.005), (60, 1, 300, 0.01), (95, 0, 300, 0.02)]
    ]
    together, turned = results(pack), results(pack[::-1])
    for one in pack:
        assert bits(together[one.fingerprint]) == bits(turned[one.fingerprint])
        assert bits(together[one.fingerprint]) == bits(result(one))


def test_threads_do_not_change_the_bits(trial: Make) -> None:
    one = trial(23, 250, max_steps=100)
    before = torch.get_num_threads()
    first = bits(result(one))
    torch.set_num_threads(2)
    try:
        assert bits(result(one)) == first
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_subnormals_are_flushed_while_training_and_only_then(trial: Make) -> None:
    """They cost a factor 7 in time below the boundary."""
    tiny = torch.tensor(1e-39)
    items = train([trial(11, 40, max_steps=50)])
    next(items)
    assert (tiny * 1.0).item() == 0.0
    assert len(list(items)) == 6
    assert (tiny * 1.0).item() != 0.0


def test_a_batch_finds_what_each_trial_finds_alone(trial: Make) -> None:
    """Away from the boundary: the same outcome, and the same step within a few evaluations."""
    pack = [
        trial(11, n, seed, learning_rate=rate, max_steps=1500)
        for n, seed, rate in [(95, 0, 0.005), (100, 1, 0.01), (40, 2, 0.005), (105, 3, 0.007)]
    ]
    batched = results(pack, batch_size=4)
    for one in pack:
        alone, found = result(one), batched[one.fingerprint]
        assert found.outcome is alone.outcome
        assert found.curve.train_loss[:6] == pytest.approx(alone.curve.train_loss[:6], rel=1e-3)
        if alone.generalization_step is not None:
            assert abs((found.generalization_step or 0) - alone.generalization_step) <= 75


def test_trials_of_a_batch_may_have_different_horizons(trial: Make) -> None:
    pack = [trial(11, 40, max_steps=steps, eval_every=10) for steps in (35, 60, 20)]
    found = results(pack, batch_size=3)
    assert [found[one.fingerprint].curve.step[-1] for one in pack] == [35, 60, 20]
    for one in pack:
        assert found[one.fingerprint].curve.step == result(one).curve.step


def test_results_come_as_trials_end(trial: Make) -> None:
    """After every evaluation there is an item, so that a caller can look up from the work."""
    pack = [trial(11, 40, max_steps=50), trial(11, 40, seed=1, max_steps=50)]
    items = [len(ended) for ended in train(pack)]
    assert items == [0, 0, 0, 0, 0, 0, 1] * 2


# ------------------------------------------------------------------ the numbers of the theory


@pytest.mark.parametrize("seed", [0, 1])
def test_the_boundary_at_23_is_where_the_theory_has_it(trial: Make, seed: int) -> None:
    """n_c(23) is 192 to 198 within 4,000 steps: 7 % above generalizes, 10 % below does not."""
    assert result(trial(23, 212, seed)).outcome is Outcome.GENERALIZED
    assert result(trial(23, 173, seed)).outcome in {Outcome.UNRESOLVED, Outcome.MEMORIZED}


@pytest.mark.slow
def test_the_boundary_at_41_is_where_the_theory_has_it(trial: Make) -> None:
    """n_c(41) is 418 to 434 within 4,000 steps and K = 256; none generalizes below 3.4 in 1,000."""
    assert result(trial(41, 455)).outcome is Outcome.GENERALIZED
    assert result(trial(41, 385)).outcome is not Outcome.GENERALIZED
    assert result(trial(41, 487, max_steps=1000)).outcome is not Outcome.GENERALIZED


# ------------------------------------------------------------------ reduced precision


def test_a_precision_is_set_for_its_trials_only(trial: Make) -> None:
    before = torch.get_float32_matmul_precision()
    items = train([trial(11, 40, max_steps=10, matmul_precision="tfloat32")])
    next(items)
    assert torch.get_float32_matmul_precision() == "high"
    list(items)
    assert torch.get_float32_matmul_precision() == before


def test_bfloat16_products_learn_what_float32_ones_learn(trial: Make) -> None:
    exact, rounded = (
        result(trial(11, 95, matmul_precision=precision)) for precision in ("float32", "bfloat16")
    )
    assert rounded.outcome is exact.outcome is Outcome.GENERALIZED
    assert rounded.curve.train_loss != exact.curve.train_loss
    assert rounded.curve.train_loss[:9] == pytest.approx(
        exact.curve.train_loss[:9], rel=0.02, abs=1e-4
    )


@pytest.mark.slow
@pytest.mark.parametrize(("M", "horizon"), [(23, 6000), (41, 6000)])
def test_bfloat16_products_leave_the_threshold_where_it_was(
    trial: Make, M: int, horizon: int
) -> None:
    """Its bracket moves by one cell of 2 % at most, in each of two seeds."""
    grid = np.unique(np.rint(M * np.log(M) * np.geomspace(2.45, 2.9, 9)).astype(int)).tolist()
    for seed in (0, 1):
        first = {}
        for precision in ("float32", "bfloat16"):
            pack = [trial(M, n, seed, max_steps=horizon, matmul_precision=precision) for n in grid]
            found = results(pack)
            won = [found[one.fingerprint].outcome is Outcome.GENERALIZED for one in pack]
            assert any(won)
            first[precision] = won.index(True)
        assert abs(first["bfloat16"] - first["float32"]) <= 1
