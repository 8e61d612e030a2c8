"""The driver's book: which packs are out, which trials are finished, and on to the shards."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sweeper.run.agenda import Agenda
from sweeper.run.packs import MAX_ATTEMPTS, Pack, PackQueue
from sweeper.run.profile import Profile
from sweeper.run.progress import Progress
from sweeper.run.worker import Delivery
from sweeper.spec.trial import trials
from sweeper.store.provenance import Provenance
from sweeper.store.records import TrialResult, curves_table, records_table
from sweeper.store.writer import ShardWriter


@dataclass(frozen=True)
class Standing:
    """Where a run stands.

    Attributes:
        workers: How many run it.
        packs_out: Packs that workers have.
        packs_waiting: Packs cut and not handed out; a search cuts its packs as it goes.
        trials_out: Trials of the packs that are out, as far as they have not ended.
        trials_ran: Trials that this run has finished.
        hosts: For each host that has delivered: workers that did, and their finished trials.
    """

    workers: int
    packs_out: int
    packs_waiting: int
    trials_out: int
    trials_ran: int
    hosts: dict[str, dict[str, int]]


@dataclass
class HostTally:
    """What came from one host."""

    workers: set[str] = field(default_factory=set)
    trials: int = 0

    def add(self, worker: str, trials: int) -> None:
        """Count a delivery."""
        self.workers.add(worker)
        self.trials += trials

    def as_dict(self) -> dict[str, int]:
        """Counts."""
        return {"workers": len(self.workers), "trials": self.trials}


class Ledger:
    """What an executor asks for packs and tells their fate.

    A trial's first delivery is its record; a second one would be dropped. Only this process
    writes, so a worker that outlives it changes nothing.

    Attributes:
        workers: How many run the packs; may change while they do.
    """

    def __init__(
        self,
        agenda: Agenda,
        workers: int,
        provenance: Provenance,
        writer: ShardWriter,
        progress: Progress,
        profile: Profile,
    ) -> None:
        """Start with nothing handed out.

        Args:
            agenda: What is to be run.
            workers: How many run it.
            provenance: For the records of trials that are given up.
            writer: Where records go.
            progress: What shows them.
            profile: What notes when and where they ran.
        """
        self._agenda, self.workers, self._provenance = agenda, workers, provenance
        self._writer, self._progress, self._profile = writer, progress, profile
        self._queue = PackQueue(agenda.plan.num_rows)
        self._out: set[Pack] = set()
        self._hosts: dict[str, HostTally] = {}

    def standing(self) -> Standing:
        """Where the run stands; may be asked from another thread."""
        out = tuple(self._out)
        return Standing(
            workers=self.workers,
            packs_out=len(out),
            packs_waiting=self._queue.waiting,
            trials_out=self._queue.unfinished(out),
            trials_ran=self._progress.finished,
            hosts={name: tally.as_dict() for name, tally in tuple(self._hosts.items())},
        )

    @property
    def ended(self) -> bool:
        """Every trial is finished, and no other will be asked for."""
        return self._queue.ended and self._agenda.done

    def take(self) -> Pack | None:
        """The next pack, or None while there is none to hand out."""
        pack = self._queue.take()
        if pack is None:
            self._queue.add(self._agenda.more(self.workers))
            pack = self._queue.take()
        if pack is not None:
            self._out.add(pack)
        return pack

    def deliver(self, delivery: Delivery) -> None:
        """Take in finished trials.

        Raises:
            OSError: They cannot be written.
        """
        fresh = pa.array(self._queue.deliver(delivery.rows))
        records = delivery.records.filter(fresh)
        self._profile.deliver(delivery, fresh)
        name = delivery.worker.partition(",")[0]
        self._hosts.setdefault(name, HostTally()).add(delivery.worker, records.num_rows)
        rows = np.array(delivery.rows)[fresh.to_numpy(zero_copy_only=False)].tolist()
        probed = pc.is_in(delivery.probes["fingerprint"], records["fingerprint"].combine_chunks())
        self._keep(rows, records, delivery.curves.filter(fresh), delivery.probes.filter(probed))

    def say(self, text: str) -> None:
        """A line for people."""
        self._progress.say(text)

    def close(self, pack: Pack) -> None:
        """Take back a pack that came to its end."""
        self._out.discard(pack)
        self._queue.close(pack)

    def put_back(self, pack: Pack) -> None:
        """Take back a pack that no worker has begun."""
        self._out.discard(pack)
        self._queue.put_back(pack)

    def lose(self, pack: Pack, reason: str) -> None:
        """Take back a pack whose worker died; what it had not delivered is tried again.

        Args:
            pack: It.
            reason: Why it died, as far as it is known.
        """
        self._out.discard(pack)
        given_up = self._queue.lose(pack)
        if not given_up:
            text = f"a worker died ({reason}); what it had not delivered is tried again"
            self._progress.say(text)
            return
        text = f"a worker died {MAX_ATTEMPTS} times over one trial ({reason}); it is given up"
        self._progress.say(text)
        lost = trials(self._agenda.plan.take(given_up))
        error = (
            f"the worker died {MAX_ATTEMPTS} times while it trained this trial alone, "
            f"the last time because {reason}"
        )
        results = [TrialResult.failure(trial, error, datetime.now(UTC)) for trial in lost]
        records = records_table(lost, results, self._provenance, "unknown", 1)
        self._keep(given_up, records, curves_table(results))

    def _keep(
        self,
        rows: list[int],
        records: pa.Table,
        curves: pa.Table,
        probes: pa.Table | None = None,
    ) -> None:
        self._writer.add(records, curves, probes)
        self._agenda.learn(rows, records)
        self._progress.add(records["outcome"].to_pylist(), self._agenda.finished, self._agenda.cost)
