"""The training loop: a pack of trials in, one result a trial out, each as soon as it ends."""

import math
import time
import traceback
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import torch

from sweeper.learn.adam import Adam
from sweeper.learn.two_layer import (
    Metrics,
    TwoLayerBatch,
    initial_weights,
    step_flops,
    trial_bytes,
)
from sweeper.spec.trial import Trial
from sweeper.store.records import Curve, Outcome, TrialResult

FIT_ACCURACY = 0.99
"""Training accuracy from which a trial counts as having fitted its training pairs."""

CHANCE_MARGIN = 0.1
"""Best test accuracy up to chance plus this is no generalization at all."""


def usable_device(wanted: str) -> str:
    """The device to train on; "auto" is a GPU where there is one, else the CPU.

    Raises:
        RuntimeError: This process cannot use the device.
    """
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=wanted)
    except (RuntimeError, AssertionError) as error:
        raise RuntimeError(f"no device {wanted} here: {error}") from error
    return wanted


def train(
    pack: Sequence[Trial],
    device: str = "cpu",
    batch_size: int | None = None,
    dtype: torch.dtype = torch.float32,
) -> Iterator[list[TrialResult]]:
    """Train trials of one shape (group, hidden size, network, loss, optimizer).

    On a CPU the trials run one after the other, so that each stays in the cache and gives the same
    bits whatever else is in the pack; on a GPU in batches as large as its memory allows.

    Args:
        pack: The trials. Learning rate, weight decay, n_train, seeds and horizon may differ.
        device: A torch device.
        batch_size: Trials trained at once; by default 1 on a CPU, else what fits.
        dtype: Of weights and activations.

    Yields:
        After each evaluation, the results of the trials that ended with it, often none. A trial
        that raises ends as `failed`, with its traceback; its neighbours go on.
    """
    if batch_size is None:
        batch_size = _fitting_batch(pack, device)
    waiting = [list(pack[i : i + batch_size]) for i in range(0, len(pack), batch_size)][::-1]
    threads, flushing = torch.get_num_threads(), _flushes_subnormals()
    try:
        while waiting:
            batch = waiting.pop()
            done: set[str] = set()
            started_at = datetime.now(UTC)
            _settle_numerics(device)
            try:
                for ended in _train_batch(batch, device, dtype, started_at):
                    done.update(result.fingerprint for result in ended)
                    yield ended
            except Exception:
                left = [trial for trial in batch if trial.fingerprint not in done]
                if not left:
                    continue
                if len(left) == 1:
                    yield [TrialResult.failure(left[0], traceback.format_exc(), started_at)]
                else:  # perhaps too large for the memory: smaller batches, each from its start
                    half = len(left) // 2
                    waiting += [left[half:], left[:half]]
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(flushing)


def evaluation_steps(max_steps: int, eval_every: int) -> list[int]:
    """Powers of two up to eval_every, then its multiples, and the horizon."""
    early = {2**i for i in range(eval_every.bit_length()) if 2**i < eval_every}
    return sorted(
        step
        for step in early | set(range(eval_every, max_steps, eval_every)) | {max_steps}
        if step <= max_steps
    )


@torch.inference_mode()
def _train_batch(
    batch: list[Trial], device: str, dtype: torch.dtype, started_at: datetime
) -> Iterator[list[TrialResult]]:
    clock = time.perf_counter()
    runs = [_Run(trial, started_at) for trial in batch]
    data = TwoLayerBatch(batch, device, dtype)
    weights = torch.stack([initial_weights(trial) for trial in batch]).to(device, dtype)
    adam = Adam(
        weights, [trial.learning_rate for trial in batch], [trial.weight_decay for trial in batch]
    )
    step = 0
    while runs:
        due = min(run.schedule[0] for run in runs)
        while step < due:
            adam.update(weights, data.gradient(weights))
            step += 1
        metrics = data.evaluate(weights)
        clock, elapsed = time.perf_counter(), time.perf_counter() - clock
        for i, run in enumerate(runs):
            run.wall_time_s += elapsed / len(runs)
            if run.schedule[0] == step:
                run.observe(step, metrics, i)
        yield [run.result() for run in runs if run.outcome]
        alive = [i for i, run in enumerate(runs) if not run.outcome]
        if alive and len(alive) < len(runs):
            data = TwoLayerBatch([runs[i].trial for i in alive], device, dtype)
            weights = weights[alive]
            adam.keep(alive)
        runs = [runs[i] for i in alive]


class _Run:
    """What is known so far about one trial in training."""

    def __init__(self, trial: Trial, started_at: datetime) -> None:
        self.trial = trial
        self.started_at = started_at
        self.schedule = evaluation_steps(trial.max_steps, trial.eval_every)
        self.curve = Curve()
        self.wall_time_s = 0.0
        self.fit_step: int | None = None
        self.generalization_step: int | None = None
        self.outcome: Outcome | None = None

    def observe(self, step: int, metrics: Metrics, place: int) -> None:
        """Take in the evaluation after `step` updates, and decide whether the trial has ended."""
        curve, trial = self.curve, self.trial
        del self.schedule[0]
        previous = curve.test_accuracy[-1] if curve.step else -math.inf
        curve.step.append(step)
        curve.train_loss.append(metrics.train_loss[place])
        curve.test_loss.append(metrics.test_loss[place])
        curve.train_accuracy.append(metrics.train_accuracy[place])
        curve.test_accuracy.append(metrics.test_accuracy[place])
        if not math.isfinite(curve.train_loss[-1] + curve.test_loss[-1]):
            self.outcome = Outcome.DIVERGED
            return
        if self.fit_step is None and curve.train_accuracy[-1] >= FIT_ACCURACY:
            self.fit_step = step
        twice = min(previous, curve.test_accuracy[-1]) >= trial.target_test_accuracy
        if self.generalization_step is None and twice:
            self.generalization_step = curve.step[-2]
        if self.generalization_step is not None and (trial.stop_at_target or not self.schedule):
            self.outcome = Outcome.GENERALIZED
        elif not self.schedule:
            self.outcome = self._at_horizon()

    def _at_horizon(self) -> Outcome:
        if self.curve.train_accuracy[-1] < FIT_ACCURACY:
            return Outcome.UNDERFIT
        chance = 1.0 / self.trial.group_order
        if max(self.curve.test_accuracy) <= chance + CHANCE_MARGIN:
            return Outcome.MEMORIZED
        return Outcome.UNRESOLVED

    def result(self) -> TrialResult:
        """The finished trial; its outcome is known."""
        assert self.outcome is not None
        return TrialResult(
            fingerprint=self.trial.fingerprint,
            outcome=self.outcome,
            fit_step=self.fit_step,
            generalization_step=self.generalization_step,
            n_test=self.trial.group_order**2 - self.trial.n_train,
            train_flops=float(step_flops(self.trial) * self.curve.step[-1]),
            wall_time_s=self.wall_time_s,
            started_at=self.started_at,
            curve=self.curve,
        )


def _settle_numerics(device: str) -> None:
    """Subnormals flushed (they cost a factor 7 below the boundary); one thread, for equal bits."""
    torch.set_flush_denormal(True)
    if device == "cpu":
        torch.set_num_threads(1)


def _flushes_subnormals() -> bool:
    """Whether this thread does already; torch can set it, but not tell."""
    return (torch.tensor(1e-39) * 1.0).item() == 0.0


def _fitting_batch(pack: Sequence[Trial], device: str) -> int:
    if device == "cpu" or not pack:
        return 1
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, int(0.8 * free / max(trial_bytes(trial) for trial in pack)))
