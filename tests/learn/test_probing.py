"""Probes in the training loop: they measure what the library does, and change nothing."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from sweeper.learn.learner import initial_weights
from sweeper.learn.optimizers.adam import Adam
from sweeper.learn.probes.algebra import algebra
from sweeper.learn.probes.energy import heights
from sweeper.learn.probes.irreps import irrep_indicators
from sweeper.learn.probes.recorder import NAMES, Recorder
from sweeper.learn.probes.stages import Stage, stage_labels, stage_starts
from sweeper.learn.probing import Probing
from sweeper.learn.train import evaluation_steps, train
from sweeper.learn.two_layer import TwoLayerBatch
from sweeper.spec.probes import Probes, StageThresholds
from sweeper.spec.trial import Trial
from sweeper.store.probes import Probed
from sweeper.store.records import Outcome, TrialResult
from sweeper.tasks.groups import group_named

Make = Callable[..., Trial]
ALL = (*NAMES, "algebra")


def trained(
    trials: list[Trial], probes: Probes | None, batch_size: int | None = None
) -> dict[str, TrialResult]:
    ended = train(trials, batch_size=batch_size, probes=probes)
    return {one.fingerprint: one for results in ended for one in results}


def probed(trial: Trial, probes: Probes) -> Probed:
    (result,) = trained([trial], probes).values()
    assert result.probed is not None
    return result.probed


def small(trial: Make, **changes: object) -> Trial:
    return trial(7, 38, hidden_size=24, max_steps=300, stop_at_target=False, **changes)


def weights_at(one: Trial, step: int) -> torch.Tensor:
    """Of a training with no probes at all."""
    with torch.inference_mode():
        net = TwoLayerBatch([one], initial_weights(one).float())
        adam = Adam(net.weights, [one.learning_rate], [one.weight_decay])
        for _ in range(step):
            adam.update(net.gradient())
        return net.weights.clone()


def test_what_is_kept_is_what_the_library_measures_on_the_same_weights(trial: Make) -> None:
    one = small(trial)
    found = probed(one, Probes(measure=[*ALL], every=3, frames=3, neurons=5))
    steps = [1, 2, 4, 8, 16, 50, 125, 200, 275, 300]
    assert found["step"] == steps  # evaluations 0 to 4, then every third, and the last
    recorder = Recorder([one], initial_weights(one).float(), NAMES)
    for i, step in enumerate(steps):
        weights = weights_at(one, step)
        snapshot = recorder.look(weights)
        (row,) = recorder.measure(step, snapshot)
        for name, value in row.items():
            np.testing.assert_allclose(found[name][i], value, rtol=1e-4, atol=1e-6, err_msg=name)
        if step in found["frame_step"]:
            place, neurons = found["frame_step"].index(step), found["neuron"]
            np.testing.assert_allclose(
                found["neuron_height"][place], heights(snapshot)[0, neurons], rtol=1e-3
            )
            powers = snapshot.powers[0, :, neurons]
            shares = (powers / powers.sum(0)).T
            np.testing.assert_allclose(found["neuron_share"][place], shares, atol=1e-4)
    assert found["frame_step"][-1] == 300
    assert 1 < len(found["frame_step"]) <= 3 + 1
    largest = recorder.look(weights_at(one, 300)).sizes[0].topk(5).indices.tolist()
    assert found["neuron"] == largest
    last = weights_at(one, 300).double().numpy()
    expected = algebra(group_named("Z7"), last[:14], last[14:].T)
    said = json.loads(found["solution"])
    assert said["orders"] == {str(order): n for order, n in expected.orders.items()}
    assert said["loss"] == pytest.approx(expected.potential_loss, rel=1e-4)


def test_stages_begin_where_the_library_has_them(trial: Make) -> None:
    one = trial(11, 100, hidden_size=64, max_steps=1500, stop_at_target=False)
    (result,) = trained([one], Probes(measure=["stages"])).values()
    found, curve = result.probed, result.curve
    assert found is not None
    at = [curve.step.index(step) for step in found["step"]]
    columns = {name: found[name] for name in ("energy_alignment", "feature_rank", "W_change")}
    columns |= {
        name: [getattr(curve, name)[i] for i in at] for name in ("train_accuracy", "test_accuracy")
    }
    labels = stage_labels(columns)
    assert found["stage"] == [int(label) for label in labels]
    starts = stage_starts(found["step"], labels)
    assert starts[Stage.INTERACTIVE] > starts[Stage.INDEPENDENT] > 1
    assert found["independent_step"] == starts[Stage.INDEPENDENT]
    assert found["interactive_step"] == starts[Stage.INTERACTIVE]
    strict = StageThresholds(alignment=1.0, accuracy=1.0, rank_fall=0.999)
    again = probed(one, Probes(measure=["stages"], thresholds=strict))
    assert again["energy_alignment"] == found["energy_alignment"]
    assert again["independent_step"] is None


def test_probes_change_no_result(trial: Make) -> None:
    """To the last bit, measured at every evaluation or never."""
    pack = [small(trial), small(trial, learning_rate=0.02), trial(7, 30, hidden_size=24, seed=1)]
    plain, seen = trained(pack, None), trained(pack, Probes(measure=[*ALL], every=1))
    for name, result in plain.items():
        other = seen[name]
        assert result.curve == other.curve
        assert result.probed is None
        assert other.probed is not None
        assert other.wall_time_s > other.probed["probe_s"] > 0
        same = replace(
            other, probed=None, probe_s=0.0, wall_time_s=result.wall_time_s, setup_s=result.setup_s,
            evaluation_s=result.evaluation_s, started_at=result.started_at,
        )  # fmt: skip
        assert same == result


def test_a_probe_that_raises_loses_the_measurements_of_its_trial_and_nothing_else(
    trial: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its first look, in the middle or at the end; alone and in a batch."""
    pack = [small(trial), small(trial, learning_rate=0.02), small(trial, weight_decay=1e-3)]
    probes = Probes(measure=["stages", "irreps", "algebra"], every=2)
    plain, seen = trained(pack, None), trained(pack, probes)
    bad = pack[1].fingerprint

    def broken(name: str, after: int) -> None:
        original = getattr(Probing, name)

        def raises(self: Probing, *given: Any) -> object:  # noqa: ANN401
            places = given[-2] if name == "_measure" else [given[0]]
            if bad in [self._trials[i].fingerprint for i in places] and given[0] >= after:
                raise FloatingPointError("no such angle")
            return original(self, *given)

        monkeypatch.setattr(Probing, name, raises)

    for name, after in (("_measure", 1), ("_measure", 100), ("_probed", 0)):
        for batch_size in (None, 3):
            broken(name, after)
            found = trained(pack, probes, batch_size)
            with pytest.raises(FloatingPointError):
                list(train([pack[1]], probes=probes, watch=lambda one, curve: None))
            monkeypatch.undo()
            lost = found[bad]
            assert lost.probed is None
            assert lost.probe_error is not None
            assert lost.probe_error.strip().endswith("FloatingPointError: no such angle")
            assert 0 < lost.probe_s < lost.wall_time_s
            for one in pack:
                result, other = found[one.fingerprint], plain[one.fingerprint]
                assert (result.outcome, result.error) == (other.outcome, None)
                if batch_size is None:
                    assert result.curve == other.curve
                if one is not pack[1]:
                    known = seen[one.fingerprint].probed
                    assert (result.probe_error, known is None) == (None, False)
                    assert (result.probed or {})["step"] == (known or {})["step"]


def test_a_batch_is_measured_as_its_trials_are_alone(trial: Make) -> None:
    """They end at different steps, and one is evaluated at other steps than the others."""
    pack = [
        small(trial),
        replace(small(trial, learning_rate=0.02), max_steps=110),
        replace(small(trial, weight_decay=1e-3), eval_every=40),
    ]
    probes = Probes(measure=[*ALL], every=2, frames=4, neurons=6)
    together = trained(pack, probes, batch_size=3)
    for one in pack:
        alone, found = probed(one, probes), together[one.fingerprint].probed
        assert found is not None
        assert found.keys() == alone.keys()
        assert found["step"] == alone["step"]
        assert found["frame_step"] == alone["frame_step"]
        for name in ("W_change", "feature_rank", "height", "purity", "neuron_size"):
            np.testing.assert_allclose(found[name], alone[name], rtol=2e-2, atol=1e-4, err_msg=name)


def test_every_is_counted_in_a_trials_own_evaluations(trial: Make) -> None:
    one = small(trial)
    steps = evaluation_steps(300, 25)
    early = [step for step in steps if step < 25]
    for every in (1, 2, 5, 100):
        found = probed(one, Probes(measure=["stages"], every=every))["step"]
        later = [step for i, step in enumerate(steps) if i % every == 0]
        assert found == sorted({*early, *later, 300})


def test_a_trial_that_diverges_keeps_what_was_measured_before(trial: Make) -> None:
    one = small(trial, learning_rate=1e9)
    (result,) = trained([one], Probes(measure=[*ALL], every=1)).values()
    assert result.outcome == Outcome.DIVERGED
    assert result.probed is not None
    assert result.probed["step"] == result.curve.step[:-1]
    assert "solution" not in result.probed


@pytest.mark.parametrize(
    ("optimizer", "defined"), [("adam", True), ("sgd", True), ("muon", True), ("adamw", False)]
)
def test_ridge_has_no_meaning_under_decoupled_decay_of_v(
    trial: Make, optimizer: str, defined: bool
) -> None:
    one = small(trial, optimizer=optimizer)
    found = probed(one, Probes(measure=["gradient", "interaction"]))
    for name in ("ridge_cosine", "ridge_ratio", "ridge_distance", "repelled"):
        assert np.isfinite(found[name]).all() == defined
        assert np.isnan(found[name]).all() != defined
    assert np.isfinite(found["grad_features"]).all()


def test_algebra_says_nothing_of_groups_that_are_not_abelian(trial: Make) -> None:
    one = replace(small(trial), group="S3", group_order=6, n_train=25)
    found = probed(one, Probes(measure=["algebra", "irreps"], neurons_to_cover=3))
    assert "solution" not in found
    recorder = Recorder([one], initial_weights(one).float(), ["irreps"])
    last = irrep_indicators(recorder.look(weights_at(one, 300)))
    counts = last["irrep_neurons"][0, 1:]
    assert found["irreps_covered"][-1] == int((counts >= 3).sum())
    assert last["irreps_covered"].item() == int((counts >= 1).sum())


def test_no_frames_are_kept_where_none_are_wanted(trial: Make) -> None:
    assert "neuron" not in probed(small(trial), Probes(measure=["energy"], frames=0))
    assert "neuron" not in probed(small(trial), Probes(measure=["stages"]))


@pytest.mark.parametrize("group", ["Z2", "Z2×Z2", "Z2×Z2×Z2"])
def test_groups_whose_characters_are_all_real_have_no_frequency_and_no_failure(
    trial: Make, group: str
) -> None:
    one = trial(2 ** group.count("Z2"), 3, group=group, hidden_size=16, max_steps=30)
    found = probed(one, Probes(measure=[*ALL]))
    solution = json.loads(found["solution"])
    assert (solution["orders"], solution["forms"], solution["error"]) == ({}, {}, None)
    assert solution["loss"] > 0
