"""The driver's book: which packs are out, which trials are finished, and on to the shards."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from sweeper.run.packs import MAX_ATTEMPTS, Pack, PackQueue, estimated_seconds
from sweeper.run.profile import Profile
from sweeper.run.progress import Progress
from sweeper.run.worker import Delivery
from sweeper.spec.trial import trials
from sweeper.store.provenance import Provenance
from sweeper.store.records import TrialResult, curves_table, records_table
from sweeper.store.writer import ShardWriter


class Ledger:
    """What an executor asks for packs and tells their fate.

    A trial's first delivery is its record; a second one would be dropped. Only this process
    writes, so a worker that outlives it changes nothing.
    """

    def __init__(
        self,
        plan: pa.Table,
        packs: list[Pack],
        provenance: Provenance,
        writer: ShardWriter,
        progress: Progress,
        profile: Profile,
    ) -> None:
        """Start with all packs waiting.

        Args:
            plan: The trials, as PLAN_SCHEMA.
            packs: All of the plan's rows, in the order in which they should be handed out.
            provenance: For the records of trials that are given up.
            writer: Where records go.
            progress: What shows them.
            profile: What notes when and where they ran.
        """
        self._plan, self._provenance = plan, provenance
        self._writer, self._progress, self._profile = writer, progress, profile
        self._queue = PackQueue(packs, plan.num_rows)
        self._seconds = estimated_seconds(plan)

    @property
    def ended(self) -> bool:
        """Every trial is finished."""
        return self._queue.ended

    def take(self) -> Pack | None:
        """The next pack, or None while there is none to hand out."""
        return self._queue.take()

    def deliver(self, delivery: Delivery) -> None:
        """Take in finished trials.

        Raises:
            OSError: They cannot be written.
        """
        fresh = pa.array(self._queue.deliver(delivery.rows))
        records = delivery.records.filter(fresh)
        self._writer.add(records, delivery.curves.filter(fresh))
        self._profile.deliver(delivery, records)
        seconds = float(self._seconds[np.array(delivery.rows)[fresh.to_numpy(False)]].sum())
        self._progress.add(records["outcome"].to_pylist(), seconds)

    def close(self, pack: Pack) -> None:
        """Take back a pack that came to its end."""
        self._queue.close(pack)

    def put_back(self, pack: Pack) -> None:
        """Take back a pack that no worker has begun."""
        self._queue.put_back(pack)

    def lose(self, pack: Pack) -> None:
        """Take back a pack whose worker died; what it had not delivered is tried again."""
        given_up = self._queue.lose(pack)
        if not given_up:
            self._progress.say("a worker died; what it had not delivered is tried again")
            return
        self._progress.say(f"a worker died {MAX_ATTEMPTS} times over one trial; it is given up")
        lost = trials(self._plan.take(given_up))
        error = f"the worker died {MAX_ATTEMPTS} times while it trained this trial alone"
        results = [TrialResult.failure(trial, error, datetime.now(UTC)) for trial in lost]
        records = records_table(lost, results, self._provenance, "unknown", 1)
        self._writer.add(records, curves_table(results))
        self._progress.add(records["outcome"].to_pylist(), float(self._seconds[given_up].sum()))
