"""How far a sweep is, as its results folder tells it, once or again and again."""

import re
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sweeper.run.agenda import Agenda, agenda_of, missing
from sweeper.run.pulse import Pulse, pulse
from sweeper.run.search import KNOWN_BY
from sweeper.spec.sweep import open_text
from sweeper.store.absence import no_records
from sweeper.store.records import Outcome
from sweeper.store.results import ResultsFolder
from sweeper.store.shards import holders

_KEPT = [
    *KNOWN_BY, "train_fraction", "max_irrep_dim", "error", "probe_error", "wall_time_s",
    "started_at", "run_id",
]  # fmt: skip
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d+(\.\d+)?")


@dataclass(frozen=True)
class Failures:
    """Trials that failed, or whose probes did, of one cause.

    Attributes:
        cause: The error, as one of them has it; the others may differ in numbers.
        count: How many.
        example: Fingerprint of that one.
    """

    cause: str
    count: int
    example: str


@dataclass(frozen=True)
class Speed:
    """How fast the latest run goes, or went.

    Attributes:
        trials: Finished by it.
        seconds: From the start of its first trial until now, or to the end of its last.
        seconds_left: To the end of the sweep at this speed, if the run goes on; None where
            nothing tells yet.
    """

    trials: int
    seconds: float
    seconds_left: float | None

    @property
    def trials_per_s(self) -> float | None:
        """Finished a second; None before any time has passed."""
        return self.trials / self.seconds if self.seconds > 0 else None


@dataclass(frozen=True)
class Look:
    """A sweep at one moment.

    Attributes:
        sweep: Its name.
        pulse: Whether it is running.
        agenda: What it has to do, and how much of that is done.
        records: Those of its trials.
        speed: Of the latest run; None before its first record.
        failures: The most frequent first.
        unprobed: The same of probes that raised, where the trials were not probed since.
    """

    sweep: str
    pulse: Pulse
    agenda: Agenda
    records: pa.Table
    speed: Speed | None
    failures: list[Failures]
    unprobed: list[Failures]

    @property
    def complete(self) -> bool:
        """Nothing is left to do, and nobody is doing it."""
        return self.agenda.finished == self.agenda.total and not self.pulse.life.goes_on

    def outcomes(self) -> dict[str, int]:
        """Finished trials by outcome."""
        return _counts(self.records["outcome"])

    def by_group(self) -> list[dict[str, Any]]:
        """For each group: its name, order, trials `planned`, and how many have each outcome."""
        scope = self.agenda.scope.select(["group", "group_order"]).to_pandas()
        planned = scope.value_counts().reset_index(name="planned")
        found = self.records.select(["group", "outcome"]).to_pandas()
        seen = {group: Counter(part["outcome"]) for group, part in found.groupby("group")}
        rows = planned.sort_values(["group_order", "group"]).to_dict("records")
        return [row | seen.get(row["group"], {}) for row in rows]

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        speed = self.speed
        return {
            "sweep": self.sweep,
            "driver": self.pulse.holder,
            "run": asdict(self.pulse) | {"goes_on": self.pulse.life.goes_on},
            "unit": self.agenda.unit,
            "total": self.agenda.total,
            "finished": self.agenda.finished,
            "trials": self.agenda.scope.num_rows,
            "done": self.records.num_rows,
            "outcomes": self.outcomes(),
            "speed": asdict(speed) | {"trials_per_s": speed.trials_per_s} if speed else None,
            "by_group": self.by_group(),
            "failures": [asdict(one) for one in self.failures],
            "unprobed": [asdict(one) for one in self.unprobed],
        }


class Follower:
    """Looks at a results folder as often as it is asked, and reads every shard once."""

    def __init__(self, folder: ResultsFolder) -> None:
        """Nothing is read before the first look.

        Args:
            folder: Of the sweep; only read.
        """
        self._folder = folder
        self._shards: dict[str, pa.Table] = {}
        self._records = folder.together([], _KEPT)
        self._run_id: str | None = None
        self._agenda: Agenda | None = None
        self._probed: tuple[list[str], pa.Table] | None = None

    def look(self) -> Look:
        """How far the sweep is now, by its latest run's spec.

        Raises:
            ResultsError: No run has begun there, or a file cannot be read.
        """
        run = self._folder.latest_run()
        if run is None:
            raise no_records(self._folder)
        # before the records, so that those of a run that has ended are all there
        found = pulse(self._folder, run["run_id"])
        agenda = self._follow(run)
        ours = pc.is_in(self._records["fingerprint"], agenda.scope["fingerprint"].combine_chunks())
        records = self._records.filter(ours)
        return Look(
            sweep=run["sweep"],
            pulse=found,
            agenda=agenda,
            records=records,
            speed=_speed(records, run["run_id"], found, agenda),
            failures=_failures(records, "error"),
            unprobed=_failures(self._unprobed(records), "probe_error"),
        )

    def _unprobed(self, records: pa.Table) -> pa.Table:
        """Those whose probes have raised, and that were not probed since."""
        raised = records.filter(pc.is_valid(records["probe_error"]))
        if not raised.num_rows:
            return raised
        names = self._folder.probe_shards()
        if self._probed is None or self._probed[0] != names:
            self._probed = names, self._folder.probes(["fingerprint"])
        return missing(raised, self._probed[1])

    def _follow(self, run: dict[str, Any]) -> Agenda:
        """Read what is new, and tell it to the agenda of a run."""
        run_id, digest = run["run_id"], run["spec_digest"]
        names = self._folder.shards()
        fresh = [name for name in names if name not in self._shards]
        gone = [name for name in self._shards if name not in names]
        into = holders(gone, names)
        lost = len(into) < len(gone)  # not put into others, but taken away
        read = {name: self._folder.records_shard(name, _KEPT) for name in fresh}
        new = {
            name: self._without(read[name], [one for one in gone if into.get(one) == name])
            for name in fresh
        }
        # trials that failed, and were tried again
        known_before = self._records["fingerprint"].combine_chunks()
        again = any(
            pc.any(pc.is_in(table["fingerprint"], value_set=known_before)).as_py()
            for table in new.values()
        )
        if fresh or lost:
            known = self._shards | read
            self._shards = {name: known[name] for name in names}
            self._records = self._folder.together(list(self._shards.values()), _KEPT)
        if self._agenda is None or lost or again or run_id != self._run_id:
            path = f"{self._folder.path}/specs/{digest}.yaml"
            sweep = open_text(self._folder.spec(digest), path, self._folder.spec_modules(digest))
            done = self._records
            if run.get("retry_failed"):  # those that failed before it are to be run again
                before = pc.not_equal(done["run_id"], run_id)
                done = done.filter(pc.invert(pc.and_(_has_failed(done), before)))
            self._agenda, self._run_id = agenda_of(sweep, done), run_id
        else:
            for table in new.values():
                plan = self._agenda.plan["fingerprint"].combine_chunks()
                rows = pc.index_in(table["fingerprint"], value_set=plan)
                known_rows = pc.is_valid(rows)
                self._agenda.learn(rows.filter(known_rows).to_pylist(), table.filter(known_rows))
        return self._agenda

    def _without(self, table: pa.Table, parts: list[str]) -> pa.Table:
        """The records of a shard but for those of some that were put into it."""
        if not parts:
            return table
        known = pa.concat_tables([self._shards[name] for name in parts])["fingerprint"]
        return table.filter(pc.invert(pc.is_in(table["fingerprint"], known.combine_chunks())))


def _speed(records: pa.Table, run_id: str, found: Pulse, agenda: Agenda) -> Speed | None:
    """From the records of the latest run, and what its driver had before it."""
    mine = records.filter(pc.equal(records["run_id"], run_id))
    if not mine.num_rows:
        return None
    starts = mine["started_at"].cast(pa.int64()).to_numpy() / 1e6
    end = float((starts + mine["wall_time_s"].to_numpy()).max())
    beat = found.heartbeat
    if beat and found.life.goes_on:
        end = max(end, _unix(beat["updated_at"]))
    seconds = end - float(starts.min())
    if beat and "elapsed_s" in beat:  # by a clock that nobody sets
        seconds = min(seconds, beat["elapsed_s"])
    left = None
    if beat and agenda.cost < beat["cost_before"]:
        left = seconds * agenda.cost / (beat["cost_before"] - agenda.cost)
    return Speed(mine.num_rows, seconds, left)


def _has_failed(records: pa.Table) -> pa.ChunkedArray:
    return pc.equal(records["outcome"], Outcome.FAILED)


def _failures(records: pa.Table, column: str) -> list[Failures]:
    failed = records.filter(pc.is_valid(records[column]))
    groups: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in failed.select(["fingerprint", column]).to_pylist():
        cause = cause_of(row[column])
        groups[_NUMBER.sub("#", cause)].append((cause, row["fingerprint"]))
    found = [Failures(some[0][0], len(some), some[0][1]) for some in groups.values()]
    return sorted(found, key=lambda one: -one.count)


def cause_of(error: str) -> str:
    """The line of an error that says what was wrong: of a traceback, the first after its frames."""
    lines = error.strip().splitlines()
    if lines and "Exception Group Traceback" in lines[0]:
        lines = [re.sub(r"^ *[+|] ?", "", line) for line in lines]
        lines[0] = "Traceback"
    if lines and not lines[0].startswith("Traceback"):
        return lines[0]
    frames = [place for place, line in enumerate(lines) if line.startswith('  File "')]
    after = lines[frames[-1] + 1 :] if frames else []
    return next((line for line in after if not line.startswith(" ")), lines[-1] if lines else "")


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _counts(column: pa.ChunkedArray) -> dict[Any, int]:
    found = pc.value_counts(column).to_pylist()
    return {one["values"]: one["counts"] for one in sorted(found, key=lambda one: -one["counts"])}
