"""Layers in the training loop: measured as by the library on the same weights, and left alone."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from sweeper.learn.learner import batch_of, initial_weights, optimizer_of
from sweeper.learn.probes.layers import LayerProbe
from sweeper.learn.train import train
from sweeper.spec.probes import Probes
from sweeper.spec.trial import Trial
from sweeper.store.probes import INDICATORS, Probed
from sweeper.store.records import Outcome, TrialResult

Make = Callable[..., Trial]
ON = Probes(measure=["layers"], every=3)
COLUMNS = INDICATORS["layers"]

NETS: dict[str, dict[str, Any]] = {
    "two_layer": {},
    "two_layer, by autograd": {"activation": "silu"},
    "two_layer_embedded": {"network": "two_layer_embedded", "embedding_size": 6},
    "the notes'": {
        "network": "embedding", "embedding_size": 12, "activation": "relu",
        "loss": "cross_entropy", "batch_size": 8, "label_noise": 0.1,
    },
    "residual": {"network": "residual", "layers": 4, "activation": "relu"},
}  # fmt: skip


@pytest.fixture(params=NETS)
def one(request: pytest.FixtureRequest, trial: Make) -> Trial:
    return small(trial, **NETS[request.param])


def small(trial: Make, **changes: object) -> Trial:
    return trial(7, 38, **{"hidden_size": 12, "max_steps": 110, "stop_at_target": False} | changes)


def trained(trials: list[Trial], probes: Probes | None, together: int = 1) -> list[TrialResult]:
    ended = train(trials, batch_size=together, probes=probes)
    found = {result.fingerprint: result for results in ended for result in results}
    return [found[trial.fingerprint] for trial in trials]


def probed(result: TrialResult) -> Probed:
    assert result.probed is not None, result.error
    return result.probed


def weights_at(trial: Trial, steps: list[int]) -> dict[int, torch.Tensor]:
    """Of a training with no probes at all."""
    found = {}
    with torch.no_grad():
        net = batch_of([trial], initial_weights(trial).float())
        optimizer = optimizer_of([trial], net.weights)
        for step in range(1, steps[-1] + 1):
            optimizer.update(net.gradient())
            if step in steps:
                found[step] = net.weights.clone()
    return found


def test_what_is_kept_is_what_the_library_measures_on_the_same_weights(one: Trial) -> None:
    (result,) = trained([one], ON)
    found = probed(result)
    assert found["step"] == [1, 2, 4, 8, 16, 50, 110]
    probe = LayerProbe(one, initial_weights(one).float().flatten())
    for i, (step, weights) in enumerate(weights_at(one, found["step"]).items()):
        rows = probe.measure(step, weights.flatten())
        assert found["layer"] == [row["weights"] for row in rows]
        for name in COLUMNS:
            kept = [math.nan if value is None else value for value in found[name][i]]
            expected = [row[name.removeprefix("layer_")] for row in rows]
            np.testing.assert_allclose(kept, expected, rtol=1e-4, atol=1e-5, err_msg=name)
    hidden = [value is not None for value in found["layer_label_cosine"][-1]]
    assert [
        name for name, here in zip(found["layer"], hidden, strict=True) if here
    ] == [name for name in found["layer"] if name[0] == "W"]  # fmt: skip
    assert found["probe_s"] > 0


def test_they_change_no_result(one: Trial) -> None:
    """To the last bit; the batches of samples go on as they would."""
    (plain,), (seen,) = trained([one], None), trained([one], Probes(measure=["layers"], every=1))
    assert seen.curve == plain.curve
    assert plain.probed is None
    same = replace(
        seen, probed=None, probe_s=0.0, wall_time_s=plain.wall_time_s, setup_s=plain.setup_s,
        evaluation_s=plain.evaluation_s, started_at=plain.started_at,
    )  # fmt: skip
    assert same == plain
    assert seen.wall_time_s > probed(seen)["probe_s"]


@pytest.mark.parametrize("kind", ["two_layer", "residual", "the notes'"])
def test_a_batch_is_measured_as_its_trials_are_alone(trial: Make, kind: str) -> None:
    """One ends before the others, one has fewer samples and is evaluated at other steps."""
    first = small(trial, **NETS[kind])
    pack = [
        first,
        replace(first, learning_rate=0.01, max_steps=60),
        replace(first, n_train=30, weight_decay=1e-3, eval_every=40, init_seed=3),
    ]
    for alone, beside in zip(trained(pack, ON), trained(pack, ON, 3), strict=True):
        mine, theirs = probed(alone), probed(beside)
        assert theirs.keys() == mine.keys()
        assert theirs["step"] == mine["step"]
        for name in ("layer_W_norm", "layer_W_change", "layer_feature_rank", "layer_target_share"):
            np.testing.assert_allclose(
                np.array(theirs[name], float), np.array(mine[name], float),
                rtol=1e-2, atol=1e-4, err_msg=name,
            )  # fmt: skip


def test_beside_the_other_probes_each_measures_as_it_does_alone(trial: Make) -> None:
    one = small(trial)
    both, layers, others = (
        probed(trained([one], Probes(measure=names))[0])
        for names in (["layers", "stages", "irreps"], ["layers"], ["stages", "irreps"])
    )
    for name in both.keys() - {"probe_s", "probes"}:
        alone = layers if name.startswith("layer") else others
        assert both[name] == alone[name], name
    assert both["layer"] == ["W", "V"]
    for i, of in enumerate("WV"):
        norms = [values[i] for values in both["layer_W_norm"]]
        assert norms == pytest.approx(both[f"{of}_norm"], rel=1e-5)
        slopes = [values[i] for values in both["layer_W_grad_norm"]]
        assert slopes == pytest.approx(both[f"{of}_grad_norm"], rel=1e-3)


def test_a_trial_that_diverges_keeps_what_was_measured_before(trial: Make) -> None:
    one = small(trial, network="residual", layers=3, learning_rate=1e15)
    (result,) = trained([one], Probes(measure=["layers"], every=1))
    assert result.outcome == Outcome.DIVERGED
    found = probed(result)
    assert found["step"] == result.curve.step[:-1]
    assert len(found["layer_W_norm"]) == len(found["step"])
