"""The training loop: a pack of trials in, one result a trial out, each as soon as it ends."""

import ctypes
import math
import time
import traceback
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache

import torch

from sweeper.learn.data import Metrics
from sweeper.learn.devices import lacks_memory
from sweeper.learn.learner import batch_of, initial_weights, network_of, optimizer_of
from sweeper.learn.probing import Probing
from sweeper.spec.probes import Probes
from sweeper.spec.trial import Trial
from sweeper.store.probes import Probed
from sweeper.store.records import Curve, Outcome, TrialResult
from sweeper.tasks.task import task_of

Watch = Callable[[Trial, Curve], None]

FIT_ACCURACY = 0.99
"""Training accuracy from which a trial counts as having fitted its training pairs."""

CHANCE_MARGIN = 0.1
"""Best test accuracy up to chance plus this is no generalization at all."""


def train(
    pack: Sequence[Trial],
    device: str = "cpu",
    batch_size: int | None = None,
    dtype: torch.dtype = torch.float32,
    watch: Watch | None = None,
    probes: Probes | None = None,
    memory_share: float = 1.0,
) -> Iterator[list[TrialResult]]:
    """Train trials of one shape (task, hidden size, network, loss, optimizer).

    On a CPU the trials run one after the other, so that each stays in the cache and gives the same
    bits whatever else is in the pack; on a GPU in batches as large as its memory allows.

    Args:
        pack: The trials. May differ: n_train, the split, both seeds, label noise and output scale;
            learning rate and schedule, weight decay and momentum; horizon, `eval_every`, target
            and what ends a trial earlier.
        device: A torch device.
        batch_size: Trials trained at once; by default 1 on a CPU, else what fits.
        dtype: Of weights and activations.
        watch: For debugging. Called with a trial and its curve after each of its evaluations;
            with it, what a trial raises is raised here.
        probes: What is measured inside the networks; they change no other part of a result, whether
            they measure or raise.
        memory_share: Of a GPU's memory this process takes so much at most.

    Yields:
        After each evaluation, the results of the trials that ended with it, often none. A batch
        that raises, perhaps for lack of memory, is halved and trained again; a trial that raises
        alone ends as `failed`, with its traceback, and its neighbours go on.
    """
    if batch_size is None:
        batch_size = _fitting_batch(pack, device, memory_share)
    waiting = [list(pack[i : i + batch_size]) for i in range(0, len(pack), batch_size)][::-1]
    threads, flushing = torch.get_num_threads(), _flushes_subnormals()
    precision = torch.get_float32_matmul_precision()
    _keep_freed_memory()
    try:
        while waiting:
            batch = waiting.pop()
            done: set[str] = set()
            error_text: str | None = None
            started_at, clock = datetime.now(UTC), time.perf_counter()
            _settle_numerics(device, batch[0].matmul_precision)
            try:
                # inference mode spares the hand-written network some microseconds an operation
                quick = torch.inference_mode if network_of(batch[0]).by_hand else torch.no_grad
                for ended in quick()(_train_batch)(batch, device, dtype, started_at, watch, probes):
                    done.update(result.fingerprint for result in ended)
                    yield ended
            except Exception as error:
                if watch:
                    raise
                error_text = _told(error, device)
            left = [trial for trial in batch if trial.fingerprint not in done]
            if error_text is None or not left:
                continue
            # here what the error held is free again
            if device.startswith("cuda"):
                torch.cuda.empty_cache()
            if len(left) == 1:
                seconds = time.perf_counter() - clock
                yield [TrialResult.failure(left[0], error_text, started_at, seconds)]
            else:  # perhaps too large for the memory: smaller batches, each from its start
                half = len(left) // 2
                waiting += [left[half:], left[:half]]
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(flushing)
        torch.set_float32_matmul_precision(precision)


def evaluation_steps(max_steps: int, eval_every: int) -> list[int]:
    """Powers of two up to eval_every, then its multiples, and the horizon."""
    early = {2**i for i in range(eval_every.bit_length()) if 2**i < eval_every}
    return sorted(
        step
        for step in early | set(range(eval_every, max_steps, eval_every)) | {max_steps}
        if step <= max_steps
    )


def is_hopeless(curve: Curve, fit_step: int | None, patience: int) -> bool:
    """Whether a trial that has fitted its training pairs makes no progress on the test pairs.

    Of all evaluations in the last `patience` steps none has a lower test loss or a higher test
    accuracy than the one that these steps began with. Before a trial groks its test loss falls for
    thousands of steps, so that a rising curve is never given up.

    Args:
        curve: Up to now.
        fit_step: From which on the training pairs are fitted; None is not yet.
        patience: In steps.
    """
    now = curve.step[-1]
    if fit_step is None or now - patience < fit_step:
        return False
    start = bisect_right(curve.step, now - patience) - 1
    return (
        min(curve.test_loss[start + 1 :]) >= curve.test_loss[start]
        and max(curve.test_accuracy[start + 1 :]) <= curve.test_accuracy[start]
    )


def _train_batch(
    batch: list[Trial],
    device: str,
    dtype: torch.dtype,
    started_at: datetime,
    watch: Watch | None,
    probes: Probes | None,
) -> Iterator[list[TrialResult]]:
    clock = _Clock(device)
    runs = [_Run(trial, started_at) for trial in batch]
    weights = [initial_weights(trial).to(device, dtype) for trial in batch]
    net = batch_of(batch, torch.stack(weights) if len(batch) > 1 else weights[0])
    del weights
    optimizer = optimizer_of(batch, net.weights)
    setup_s = clock.lap()
    probing = Probing(batch, net.weights, probes, clock.lap, bool(watch)) if probes else None
    step = 0
    while runs:
        due = min(run.schedule[0] for run in runs)
        while step < due:
            optimizer.update(net.gradient())
            step += 1
        steps_s = clock.lap()
        metrics = net.evaluate()
        evaluation_s = clock.lap()
        for i, run in enumerate(runs):
            run.spend(setup_s / len(runs), steps_s / len(runs), evaluation_s / len(runs))
            if run.schedule[0] == step:
                run.observe(step, metrics, i)
                if watch:
                    watch(run.trial, run.curve)
        if probing:
            probing.observe(step, net.weights, runs)
        yield [run.result() for run in runs if run.outcome]
        clock.lap()  # what the caller did
        alive = [i for i, run in enumerate(runs) if not run.outcome]
        if alive and len(alive) < len(runs):
            net = net.keep(alive)
            optimizer.keep(alive, net.weights)
            if probing:
                probing.keep(alive)
        runs = [runs[i] for i in alive]
        setup_s = clock.lap()


def _told(error: Exception, device: str) -> str:
    """The traceback of an error; before it, where memory was what lacked, a line that says so."""
    text = "".join(traceback.format_exception(error))
    if not lacks_memory(error):
        return text
    return f"out of memory on {device}, with this trial alone: {type(error).__name__}\n{text}"


class _Clock:
    """Tells how long each phase took; on a GPU a phase ends when its work has."""

    def __init__(self, device: str) -> None:
        self._wait = torch.cuda.synchronize if device.startswith("cuda") else None
        self._at = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last lap."""
        if self._wait is not None:
            self._wait()
        before, self._at = self._at, time.perf_counter()
        return self._at - before


class _Run:
    """What is known so far about one trial in training."""

    def __init__(self, trial: Trial, started_at: datetime) -> None:
        self.trial = trial
        self.started_at = started_at
        self.schedule = evaluation_steps(trial.max_steps, trial.eval_every)
        self.curve = Curve()
        self.setup_s = self.steps_s = self.evaluation_s = 0.0
        self.fit_step: int | None = None
        self.generalization_step: int | None = None
        self.outcome: Outcome | None = None
        self.probed: Probed | None = None
        self.probe_s = 0.0
        self.probe_error: str | None = None

    def spend(self, setup_s: float, steps_s: float, evaluation_s: float) -> None:
        """Count the time that the trial, or its share of a batch, took."""
        self.setup_s += setup_s
        self.steps_s += steps_s
        self.evaluation_s += evaluation_s

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
        elif (
            trial.give_up_after
            and self.generalization_step is None
            and is_hopeless(curve, self.fit_step, trial.give_up_after)
        ):
            self.outcome = Outcome.STOPPED

    def _at_horizon(self) -> Outcome:
        if self.curve.train_accuracy[-1] < FIT_ACCURACY:
            return Outcome.UNDERFIT
        trial = self.trial
        chance = task_of(trial.group, trial.operands, trial.expression).chance
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
            n_test=self.trial.tuples - self.trial.n_train,
            train_flops=float(network_of(self.trial).step_flops() * self.curve.step[-1]),
            wall_time_s=self.setup_s + self.steps_s + self.evaluation_s + self.probe_s,
            setup_s=self.setup_s,
            evaluation_s=self.evaluation_s,
            started_at=self.started_at,
            curve=self.curve,
            stop_rule=self._stop_rule(),
            probed=self.probed,
            probe_s=self.probe_s,
            probe_error=self.probe_error,
        )

    def _stop_rule(self) -> str | None:
        if self.outcome != Outcome.STOPPED:
            return None
        steps = self.trial.give_up_after
        return f"no lower test loss and no higher test accuracy within {steps:,} steps"


def _settle_numerics(device: str, matmul_precision: str) -> None:
    """Subnormals flushed (they cost a factor 7 below the boundary); one thread, for equal bits."""
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("high" if matmul_precision == "tfloat32" else "highest")
    if device == "cpu":
        torch.set_num_threads(1)


def _flushes_subnormals() -> bool:
    """Whether this thread does already; torch can set it, but not tell."""
    return (torch.tensor(1e-39) * 1.0).item() == 0.0


@cache
def _keep_freed_memory() -> None:
    """Have glibc keep what is freed, for the next step allocates the same again.

    Else it hands large blocks back to the kernel, and every step pays the page faults: up to a
    quarter of its time. Other C libraries have no such setting and are left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mmap_threshold, trim_threshold = -3, -1  # malloc.h
        mallopt(mmap_threshold, 32 << 20)
        mallopt(trim_threshold, 256 << 20)


def _fitting_batch(pack: Sequence[Trial], device: str, memory_share: float) -> int:
    if device == "cpu" or not pack:
        return 1
    torch.cuda.set_per_process_memory_fraction(memory_share, torch.device(device).index)
    torch.cuda.empty_cache()  # what the pack before has left is free too
    free, total = torch.cuda.mem_get_info(device)
    room = 0.8 * min(free, memory_share * total)
    largest = max(pack, key=lambda trial: trial.n_train)
    fits = range(1, len(pack) + 1)
    network = network_of(largest)
    return max(1, bisect_right(fits, room, key=lambda B: network.batch_bytes(B, device)))
