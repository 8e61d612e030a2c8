"""A sweep from its plan to its last record: what is missing is run, what is finished is kept."""

import getpass
import math
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from sweeper.run.agenda import Agenda, Limited, among, open_agenda
from sweeper.run.executor import Executor, ExecutorError, Job, Tracking
from sweeper.run.following import cause_of
from sweeper.run.heartbeat import Heartbeat
from sweeper.run.interrupt import Interrupt
from sweeper.run.ledger import Ledger
from sweeper.run.probing_again import PROBED_BY, open_probing_again, unprobed
from sweeper.run.profile import Profile
from sweeper.run.progress import Progress
from sweeper.run.reuse import check_reuse, take_over
from sweeper.spec.sweep import Sweep
from sweeper.store.provenance import Provenance, code_version, host, library_versions
from sweeper.store.results import ResultsFolder
from sweeper.store.writer import ShardWriter


@dataclass(frozen=True)
class Budget:
    """What a run may spend at most; the same command goes on with another run's.

    Attributes:
        trials: That it finishes.
        hours: From its start until it is asked to end; what is being trained then is lost.
    """

    trials: int | None = None
    hours: float | None = None


@dataclass(frozen=True)
class Summary:
    """How a run ended.

    Attributes:
        unit: What the sweep is counted in: trials, or thresholds where these are searched.
        total: How many of them it has.
        finished: How many of them are.
        ran: Trials that this run finished.
        outcomes: Of all finished trials of the sweep.
        interrupted: It was asked to end before the last trial.
        spent: What of its budget was spent before the last trial, or None.
        seconds: It took.
        trace: Path of its profile, if one was asked for and any trial ran.
        differing: Of trials that were probed again, how many ended otherwise than their records.
        unprobed: Trials of the sweep that a probe has left without any, by raising. Of trials that
            were probed again: of this run, and those that failed this time.
        error: Of the first one, the line that says what was wrong.
    """

    unit: str
    total: int
    finished: int
    ran: int
    outcomes: Counter[str]
    interrupted: bool
    spent: str | None
    seconds: float
    trace: str | None = None
    differing: int = 0
    unprobed: int = 0
    error: str = ""


def run_sweep(
    sweep: Sweep,
    folder: ResultsFolder,
    open_executor: Callable[[Path], Executor],
    device: str,
    console: Console,
    profile: Profile | None = None,
    budget: Budget = Budget(),
    *,
    probe_finished: bool = False,
    retry_failed: bool = False,
) -> Summary:
    """Run whatever of a sweep has no record yet.

    Args:
        sweep: What to run.
        folder: Where the results are and go.
        open_executor: Given the log file, starts the executor; not called when nothing is missing.
        device: A torch device, or "auto".
        console: For people.
        profile: To be filled with where the time went, and kept as a trace.
        budget: What this run may spend.
        probe_finished: Train those again that have a record but no probes, and keep these alone.
        retry_failed: Also run what has a record of a failure; the new record stands before it.

    Raises:
        SpecError: A folder to be reused holds no records, or cannot be read; nothing is written.
        ResultsError: The folder is in use, or cannot be read.
        ExecutorError: The executor cannot run.
        OSError: Records cannot be written.
    """
    clock = time.monotonic()
    check_reuse(sweep)
    profile = profile or Profile(trials=False)
    run_id = folder.new_run_id()
    provenance = Provenance(sweep.spec.name, run_id, sweep.digest)
    trace = None

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    with folder.lock(_holder(run_id), say) as check:
        with profile.span("read results"):
            if reused := take_over(sweep, folder, run_id, retry_failed):
                say(f"{reused:,} records taken over from {', '.join(sweep.spec.reuse)}")
                _describe(folder, sweep, provenance, retry_failed)
            again = open_probing_again(sweep, folder) if probe_finished else None
            whole: Agenda = again or open_agenda(sweep, folder, retry_failed)
            agenda = whole
        if budget.trials is not None:
            agenda = Limited(whole, budget.trials)
        interrupt, progress = None, _progress(console, agenda)
        if not agenda.done:
            tracking = _tracking(sweep, folder)
            job = Job(
                agenda.plan,
                provenance,
                sweep.spec.resources,
                device,
                tracking,
                sweep.module_texts,
                sweep.spec.probing,
            )
            interrupt = _interrupt(progress, clock, budget)
            _describe(folder, sweep, provenance, retry_failed)
            with Heartbeat(folder, run_id, agenda, interrupt, progress.say) as heartbeat:
                writer = ShardWriter(
                    folder, run_id, profile.wrote, probe_finished, check, progress.say
                )
                log = folder.log_file(run_id)
                _run(
                    agenda, job, writer, log, open_executor, progress, profile, interrupt, heartbeat
                )
        with profile.span("count outcomes"):
            records = folder.records(["fingerprint", "outcome", "probe_error"])
            records = records.filter(among(records, agenda.scope["fingerprint"]))
            outcomes = Counter(records["outcome"].to_pylist())
            errors = [again.error] * again.failed if again else _raised(records, sweep, folder)
        profile.finish()
        if profile.ran:
            trace = folder.write_profile(run_id, profile.trace(run_id))
    complete = whole.finished == whole.total
    return Summary(
        unit=agenda.unit,
        total=agenda.total,
        finished=agenda.finished - (again.failed if again else 0),
        ran=progress.finished,
        outcomes=outcomes,
        interrupted=interrupt is not None and interrupt.signalled and not complete,
        spent=None if complete else _spent(budget, interrupt),
        seconds=time.monotonic() - clock,
        trace=trace,
        differing=again.differing if again else 0,
        unprobed=len(errors),
        error=cause_of(errors[0]) if errors else "",
    )


def _run(
    agenda: Agenda,
    job: Job,
    writer: ShardWriter,
    log_file: Path,
    open_executor: Callable[[Path], Executor],
    progress: Progress,
    profile: Profile,
    interrupt: Interrupt,
    heartbeat: Heartbeat,
) -> None:
    """Run what an agenda asks for, or until an end is."""
    executor: Executor | None = None
    try:
        with profile.span("start executor"):
            executor = open_executor(log_file)
        profile.workers = executor.workers(job.resources)
        # entered after the executor has started, for Ray takes signals for itself
        with (
            profile.span("hand out packs and wait"),
            interrupt,
            progress,
            writer,
        ):
            ledger = Ledger(agenda, profile.workers, job.provenance, writer, progress, profile)
            heartbeat.follow(ledger)
            executor.run(job, ledger, interrupt)
        if not ledger.ended and not interrupt.requested:
            raise ExecutorError("the executor ended before all trials did")
    except Exception as error:
        if isinstance(error, OSError):
            error.add_note("what is finished is kept; once that is mended the same command goes on")
        error.add_note(f"the log is {log_file}")
        raise
    finally:
        if executor is not None:
            with profile.span("close executor"):
                executor.close()


def _interrupt(progress: Progress, clock: float, budget: Budget) -> Interrupt:
    announce = "ending; what is finished is kept, the same command goes on (again: end at once)"
    seconds = math.inf
    if budget.hours is not None:
        seconds = clock + budget.hours * 3600 - time.monotonic()
    return Interrupt(lambda: progress.say(announce), seconds)


def _tracking(sweep: Sweep, folder: ResultsFolder) -> Tracking | None:
    trackers = sweep.spec.trackers
    return Tracking(trackers, folder.trackers) if trackers.chosen else None


def _spent(budget: Budget, interrupt: Interrupt | None) -> str | None:
    """What of a budget was, in words, if it was that which ended a run before its time."""
    if interrupt is None or interrupt.signalled:
        return None
    if interrupt.late:
        return f"the {budget.hours:g} hours are over"
    return None if budget.trials is None else f"the {budget.trials:,} trials are run"


def _progress(console: Console, agenda: Agenda) -> Progress:
    return Progress(console, agenda.unit, agenda.total, agenda.finished, agenda.cost)


def _describe(
    folder: ResultsFolder, sweep: Sweep, provenance: Provenance, retry_failed: bool
) -> None:
    modules = {module.name: module.text for module in sweep.modules}
    folder.write_spec(provenance.spec_digest, sweep.text, modules)
    folder.write_run(
        provenance.run_id,
        {
            "run_id": provenance.run_id,
            "sweep": provenance.sweep,
            "spec_digest": provenance.spec_digest,
            "planned": sweep.plan.num_rows,
            "retry_failed": retry_failed,
            "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "host": host(),
            "code_version": code_version(),
            "library_versions": library_versions(),
        },
    )


def _raised(records: pa.Table, sweep: Sweep, folder: ResultsFolder) -> list[str]:
    """What probes have raised in trials that were not probed since."""
    raised = records.filter(pc.is_valid(records["probe_error"]))
    if raised.num_rows:
        raised = unprobed(raised, sweep, folder.probes(PROBED_BY))
    return [str(error) for error in raised["probe_error"].to_pylist()]


def _holder(run_id: str) -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = f"uid {os.getuid()}"
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return f"run {run_id} of {user} on {host()}, process {os.getpid()}, since {now}"
