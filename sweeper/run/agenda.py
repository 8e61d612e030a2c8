"""What is to be run: all that a plan misses, or what a search asks for while it learns."""

import math
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sweeper.run.packs import Pack, estimated_seconds, make_packs
from sweeper.run.search import KNOWN_BY, learn, open_search
from sweeper.spec.model import Resources
from sweeper.spec.plan import rows_where
from sweeper.spec.sweep import Sweep
from sweeper.store.records import Outcome
from sweeper.store.results import ResultsFolder

_ASK_SECONDS = 2.0
"""A search asks for about so much work at once: enough to hide the cost of handing it out."""
_GPU_ASK = 64
"""Trials that it asks for at once where they are trained at once."""


class Agenda(Protocol):
    """Where a ledger's packs come from.

    Attributes:
        plan: The trials that packs speak of, as PLAN_SCHEMA.
        scope: All trials that are the sweep's, those that have a record too.
        unit: What progress is counted in.
        total: How many of them there are.
    """

    plan: pa.Table
    scope: pa.Table
    unit: str
    total: int

    @property
    def finished(self) -> int:
        """How many of `total` are."""
        ...

    @property
    def done(self) -> bool:
        """It will ask for nothing more."""
        ...

    @property
    def cost(self) -> float:
        """Of what is not finished, in any measure of time."""
        ...

    def more(self, workers: int) -> list[Pack]:
        """Packs to be run now, for so many workers; none while it waits for what is out."""
        ...

    def learn(self, rows: list[int], records: pa.Table) -> None:
        """Take in finished trials: their rows in the plan, and their records."""
        ...


class AllAtOnce:
    """Trials that are all known from the start, and handed out at once.

    Attributes:
        plan: What is to be run.
        scope: That and what is finished.
    """

    def __init__(
        self,
        plan: pa.Table,
        scope: pa.Table,
        resources: Resources,
        turns: NDArray[np.int64] | None = None,
    ) -> None:
        """Take them; as `Agenda` has them.

        Args:
            plan: What is to be run.
            scope: That and what is finished.
            resources: What each worker gets.
            turns: (rows of the plan,) whoever has a lower one comes first; else the costliest do.
        """
        self.plan, self.scope = plan, scope
        self._turns = np.zeros(plan.num_rows, dtype=np.int64) if turns is None else turns
        self.total = scope.num_rows
        self.finished = self.total - plan.num_rows
        self.done = not plan.num_rows
        self._seconds = estimated_seconds(plan)
        self.cost = float(self._seconds.sum())
        self._resources = resources

    def more(self, workers: int) -> list[Pack]:
        """All packs, once."""
        if self.done:
            return []
        self.done = True
        rows = np.arange(self.plan.num_rows)
        return _packs(self.plan, rows, self._turns, workers, self._resources)

    def learn(self, rows: list[int], records: pa.Table) -> None:
        """Count them."""
        self.finished += len(rows)
        self.cost -= float(self._seconds[rows].sum())


class WholePlan(AllAtOnce):
    """Every trial that has no record, from the start."""

    unit = "trials"

    def __init__(self, sweep: Sweep, records: pa.Table, again: pa.Table | None = None) -> None:
        """Take what is missing.

        Args:
            sweep: What to run.
            records: Those in its results folder; their fingerprints will do.
            again: As `agenda_of` has it.
        """
        plan = missing(sweep.plan, records)
        super().__init__(plan, sweep.plan, sweep.spec.resources, _turns(plan, again))


class Searched:
    """What a search for n_c asks for.

    Attributes:
        search: It.
    """

    unit = "thresholds"

    def __init__(self, sweep: Sweep, records: pa.Table, again: pa.Table | None = None) -> None:
        """Take what is known.

        Args:
            sweep: Of a design that searches.
            records: Those in its results folder, with KNOWN_BY.
            again: As `agenda_of` has it.
        """
        self.plan, self.search = open_search(sweep, records)
        self._turns = _turns(self.plan, again)
        self.search.put_off(self._turns)
        self.scope = self.plan
        self.total = self.search.cells
        self._resources = sweep.spec.resources
        self._seconds = estimated_seconds(self.plan)

    @property
    def finished(self) -> int:
        """Cells that are settled."""
        return self.search.settled

    @property
    def done(self) -> bool:
        """Every cell is settled."""
        return self.search.done

    @property
    def cost(self) -> float:
        """Cells that are not."""
        return float(self.total - self.finished)

    def more(self, workers: int) -> list[Pack]:
        """A few trials for one of the workers."""
        on_gpu = self._resources.on_gpu
        if on_gpu:
            count = _GPU_ASK
        else:
            count = math.ceil(_ASK_SECONDS / float(np.median(self._seconds)))
            count = max(1, min(count, math.ceil(self.cost / workers)))
        rows = self.search.ask(count)
        if not rows:
            return []
        return _packs(self.plan, np.array(rows), self._turns, 1, self._resources)

    def learn(self, rows: list[int], records: pa.Table) -> None:
        """Tell the search."""
        learn(self.search, rows, records)


class Limited:
    """The first trials of another agenda; the others wait for another run."""

    def __init__(self, agenda: Agenda, trials: int) -> None:
        """Limit it.

        Args:
            agenda: To be limited.
            trials: That it may still run.
        """
        self._agenda, self._left = agenda, trials
        self.plan, self.scope = agenda.plan, agenda.scope
        self.unit, self.total = agenda.unit, agenda.total

    @property
    def finished(self) -> int:
        """How many of `total` are."""
        return self._agenda.finished

    @property
    def done(self) -> bool:
        """It will ask for nothing more."""
        return not self._left or self._agenda.done

    @property
    def cost(self) -> float:
        """Of what is not finished, that beyond the limit too."""
        return self._agenda.cost

    def more(self, workers: int) -> list[Pack]:
        """Packs as long as the limit lasts; the last one may be cut."""
        packs: list[Pack] = []
        for pack in self._agenda.more(workers) if self._left else []:
            rows = pack.rows[: self._left]
            self._left -= len(rows)
            if rows:
                packs.append(Pack(rows))
        return packs

    def learn(self, rows: list[int], records: pa.Table) -> None:
        """Pass it on."""
        self._agenda.learn(rows, records)


def open_agenda(sweep: Sweep, folder: ResultsFolder, retry_failed: bool = False) -> Agenda:
    """What a sweep still has to run, by its design and by the records that are there.

    Args:
        sweep: What to run.
        folder: Where its records are.
        retry_failed: Trials that failed are to be run again.

    Raises:
        ResultsError: The folder cannot be read.
    """
    searches = sweep.spec.search.kind != "grid"
    columns = KNOWN_BY if searches else ["fingerprint", "outcome"]
    if not retry_failed:
        return agenda_of(sweep, folder.records(columns))
    return agenda_of(sweep, *without_failed(folder.records([*columns, "run_id"])))


def without_failed(records: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The records of trials that did not fail, and of those that did."""
    failed = pc.equal(records["outcome"], Outcome.FAILED)
    return records.filter(pc.invert(failed)), records.filter(failed)


def agenda_of(sweep: Sweep, records: pa.Table, again: pa.Table | None = None) -> Agenda:
    """The same from records that were read.

    Args:
        sweep: What to run.
        records: Of a search with KNOWN_BY, else with fingerprints.
        again: Fingerprint and run_id of records that do not count: trials to be tried again, after
            all others, and of these last those of the latest run. So runs that end early, by a
            budget or otherwise, get to all of them in turn.
    """
    kind = WholePlan if sweep.spec.search.kind == "grid" else Searched
    return kind(sweep, records, again)


def _packs(
    plan: pa.Table,
    rows: NDArray[np.int64],
    turns: NDArray[np.int64],
    workers: int,
    resources: Resources,
) -> list[Pack]:
    """Packs of some rows of a plan, those of a lower turn first."""
    packs: list[Pack] = []
    for turn in np.unique(turns[rows]):
        some = rows[turns[rows] == turn]
        whole = np.array_equal(some, np.arange(plan.num_rows))  # a million rows need no copy
        part = plan if whole else plan.take(some)
        cut = make_packs(part, workers, resources.on_gpu, resources.pack_size)
        packs += [Pack(tuple(some[list(pack.rows)].tolist())) for pack in cut]
    return packs


def _turns(plan: pa.Table, again: pa.Table | None) -> NDArray[np.int64]:
    """(rows of the plan,) 0, or of trials that are tried again the number of their run from 1."""
    if again is None:
        return np.zeros(plan.num_rows, dtype=np.int64)
    runs = {run: turn for turn, run in enumerate(sorted(set(again["run_id"].to_pylist())), 1)}
    turns = np.array([0, *(runs[run] for run in again["run_id"].to_pylist())])
    places = pc.index_in(plan["fingerprint"], value_set=again["fingerprint"].combine_chunks())
    return np.asarray(turns[pc.fill_null(pc.add(places, 1), 0).to_numpy()], dtype=np.int64)


def missing(plan: pa.Table, records: pa.Table) -> pa.Table:
    """The rows of a plan that have no record."""
    done = among(plan, records["fingerprint"])
    return rows_where(plan, pc.invert(done)) if pc.any(done).as_py() else plan


def among(table: pa.Table, fingerprints: pa.ChunkedArray) -> pa.ChunkedArray:
    """Which rows of a table have one of some fingerprints."""
    return pc.is_in(table["fingerprint"], value_set=fingerprints.combine_chunks())
