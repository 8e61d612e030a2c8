"""Where the time of one run went: a trace to look at, and shares that add up to one.

The trace is in Chrome's trace-event format, which https://ui.perfetto.dev and chrome://tracing
open. What is drawn was observed: a trial's slice is from its start to the evaluation that ended
it, on the clock of its worker. Its set-up, steps and evaluations alternate hundreds of times and
are told as sums beside the slice, not drawn.
"""

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sweeper.run.worker import Delivery
from sweeper.store.records import Outcome

_NOTED = [
    "fingerprint", "group", "n_train", "outcome", "final_step", "pack_size",
    "started_at", "wall_time_s", "setup_s", "evaluation_s", "probe_s",
]  # fmt: skip

_DRIVER, _WORKERS = 1, 2
"""Process ids in the trace; a worker's lanes are threads of the second."""

Event = dict[str, Any]


@dataclass(frozen=True)
class Span:
    """Something that a process did.

    Attributes:
        name: What.
        start: Unix time.
        end: Unix time.
    """

    name: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.start


@dataclass(frozen=True)
class _Slice:
    """One trial on its worker: Unix times, and its record."""

    worker: str
    start: float
    end: float
    record: dict[str, Any]


class Profile:
    """Collects what the driver did and which trial ran where, from its making to `finish`."""

    def __init__(self, trials: bool = True) -> None:
        """The clock starts here.

        Args:
            trials: Note every trial; else only what the driver does, for those who do not ask.
        """
        self._offset = time.time() - time.monotonic()
        self.start = self.end = self._now()
        self.workers = 1
        self.spans: list[Span] = []
        self.writes: list[Span] = []
        self._trials = trials
        self._deliveries: list[tuple[str, float, pa.Table]] = []

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Note how long the driver is in this block."""
        start = self._now()
        try:
            yield
        finally:
            self.spans.append(Span(name, start, self._now()))

    def wrote(self, start: float, end: float) -> None:
        """Note that a shard was written between these times of the monotonic clock."""
        self.writes.append(Span("write shard", start + self._offset, end + self._offset))

    def deliver(self, delivery: Delivery, records: pa.Table) -> None:
        """Note finished trials.

        Args:
            delivery: As its worker sent it.
            records: Those of its records that were taken.
        """
        if self._trials:
            ended_at = delivery.ended_at.timestamp()
            self._deliveries.append((delivery.worker, ended_at, records.select(_NOTED)))

    def finish(self) -> None:
        """The run ends here."""
        self.end = self._now()

    def _now(self) -> float:
        """Unix time as it was at the start, and what has gone by since."""
        return self._offset + time.monotonic()

    @property
    def ran(self) -> bool:
        """Whether any trial was noted."""
        return bool(self._deliveries)

    def shares(self) -> dict[str, float]:
        """Parts of the run's worker-seconds (workers × wall time); they add up to one.

        From the run's start to its first trial all workers are starting; from the end of the last
        trial on, ending. What lies between and is no trial's is waiting: for a pack, for the other
        workers' last trials, or over trials that failed or were never delivered.
        """
        slices = list(self._slices())
        total = self.workers * (self.end - self.start)
        good = [item.record for item in slices if item.record["outcome"] != Outcome.FAILED]
        setup, evaluation, probes, wall = (
            sum(record[name] for record in good)
            for name in ("setup_s", "evaluation_s", "probe_s", "wall_time_s")
        )
        first = min((item.start for item in slices), default=self.end)
        last = max((item.end for item in slices), default=self.end)
        before, after = (self.workers * s for s in (first - self.start, self.end - last))
        seconds = {
            "training steps": wall - setup - evaluation - probes,
            "evaluations": evaluation,
            **({"probes": probes} if probes else {}),
            "set-up of trials": setup,
            "waiting": total - before - after - wall,
            "start-up": before,
            "shut-down": after,
        }
        return {name: part / total for name, part in seconds.items()}

    def driver_seconds(self) -> dict[str, float]:
        """What the driver did, in order, in seconds; shards are written while it waits."""
        found: defaultdict[str, float] = defaultdict(float)
        for span in [*self.spans, *self.writes]:
            found[span.name] += span.seconds
        return dict(found)

    def trace(self, run_id: str) -> bytes:
        """Chrome trace-event JSON; times in it are microseconds since the run's start."""
        events = [_named("process_name", _DRIVER, 0, "driver")]
        events += [_named("process_name", _WORKERS, 0, "workers")]
        for lane, (name, spans) in enumerate([("run", self.spans), ("shards", self.writes)], 1):
            events.append(_named("thread_name", _DRIVER, lane, name))
            events += [self._event(s.name, "driver", _DRIVER, lane, s.start, s.end) for s in spans]
        lanes: dict[tuple[str, int], int] = {}
        ends: dict[tuple[str, int], float] = {}
        for item in sorted(self._slices(), key=lambda item: (item.start, item.end)):
            # trials of a batch run side by side: each takes its worker's first free lane
            place = next(
                i for i in range(len(ends) + 1) if ends.get((item.worker, i), 0.0) <= item.start
            )
            key = (item.worker, place)
            ends[key] = item.end
            if key not in lanes:
                lanes[key] = len(lanes) + 1
                name = item.worker + (f", place {place + 1}" if place else "")
                events.append(_named("thread_name", _WORKERS, lanes[key], name))
            events.append(self._trial_event(item, lanes[key]))
        about = {
            "run_id": run_id,
            "started_at_unix_s": self.start,
            "workers": self.workers,
            "shares": self.shares(),
        }
        content = {"traceEvents": events, "displayTimeUnit": "ms", "otherData": about}
        return json.dumps(content).encode()

    def _slices(self) -> Iterator[_Slice]:
        for worker, end, records in self._deliveries:
            for record in records.to_pylist():
                start = record["started_at"].timestamp()
                if end < start:  # its clock was set back meanwhile
                    yield _Slice(worker, start, start + record["wall_time_s"], record)
                else:
                    yield _Slice(worker, start, end, record)

    def _trial_event(self, item: _Slice, lane: int) -> Event:
        record = item.record
        besides = record["setup_s"] + record["evaluation_s"] + record["probe_s"]
        event = self._event(
            f"{record['group']} n={record['n_train']}", record["outcome"], _WORKERS, lane,
            item.start, item.end,
        )  # fmt: skip
        return event | {
            "args": {
                "fingerprint": record["fingerprint"],
                "outcome": record["outcome"],
                "steps": record["final_step"],
                "pack_size": record["pack_size"],
                "setup_s": record["setup_s"],
                "steps_s": record["wall_time_s"] - besides,
                "evaluation_s": record["evaluation_s"],
                "probe_s": record["probe_s"],
            }
        }

    def _event(
        self, name: str, category: str, process: int, lane: int, start: float, end: float
    ) -> Event:
        # whole microseconds, both ends rounded alike: neighbours touch and never overlap
        begin, finish = (round((moment - self.start) * 1e6) for moment in (start, end))
        return {
            "name": name,
            "cat": category,
            "ph": "X",
            "pid": process,
            "tid": lane,
            "ts": begin,
            "dur": finish - begin,
        }


def _named(what: str, process: int, lane: int, name: str) -> Event:
    return {"name": what, "ph": "M", "pid": process, "tid": lane, "args": {"name": name}}
