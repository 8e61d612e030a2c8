"""Finished trials on their way into shards."""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from types import TracebackType
from typing import Self

import pyarrow as pa

from sweeper.store.lock import Check
from sweeper.store.results import ResultsError, ResultsFolder
from sweeper.store.shards import Shard

FLUSH_SECONDS = 3.0
"""A finished trial waits at most this long for its shard."""

FAN_IN = 32
"""So many shards of one size become one; so many of those again."""

MAX_COMPACTED_BYTES = 128_000_000
"""Shards that would make a larger file together stay as they are: they are large enough."""


class ShardWriter:
    """Collects records and writes them as shards, each within FLUSH_SECONDS of its first record."""

    def __init__(
        self,
        folder: ResultsFolder,
        run_id: str,
        wrote: Callable[[float, float], None] = lambda start, end: None,
        only_probes: bool = False,
        check: Check = lambda: None,
        say: Callable[[str], None] = lambda text: None,
        fan_in: int = FAN_IN,
    ) -> None:
        """Nothing is written before the first record.

        Args:
            folder: Where the shards go.
            run_id: Makes their names differ from those of any other run.
            wrote: Called after each shard with the times between which it was written, by
                the monotonic clock.
            only_probes: The trials have records: keep what their probes measured and nothing else.
            check: Called before each shard; raises if the folder is another driver's by now.
            say: Tells people.
            fan_in: Shards that are put into one.
        """
        self._folder, self._run_id, self._wrote, self._check = folder, run_id, wrote, check
        self._shards = 0
        self._records: list[pa.Table] = []
        self._curves: list[pa.Table] = []
        self._probes: list[pa.Table] = []
        self._only_probes = only_probes
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._first = 0.0
        self._error: Exception | None = None
        self._closing = threading.Event()
        self._clock = threading.Thread(target=self._flush_in_time, daemon=True)
        self._compactor = Compactor(folder, run_id, check, say, fan_in)

    def __enter__(self) -> Self:
        self._clock.start()
        self._compactor.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._clock.join()
        try:
            self.flush()
        finally:  # nothing of it may go on when the folder is another driver's
            self._compactor.end()

    def add(self, records: pa.Table, curves: pa.Table, probes: pa.Table | None = None) -> None:
        """Take in finished trials.

        Raises:
            OSError: A shard could not be written; all records are kept for a next try.
        """
        with self._lock:
            if not self._records:
                self._first = time.monotonic()
            self._records.append(records)
            self._curves.append(curves)
            if probes is not None:
                self._probes.append(probes)
        if self._error:
            error, self._error = self._error, None
            raise error

    def flush(self) -> None:
        """Write what is there as one shard.

        Raises:
            OSError: It could not be written; nothing is forgotten.
            ResultsError: The folder is another driver's by now.
        """
        with self._writing:
            with self._lock:
                taken = self._records, self._curves, self._probes
                self._records, self._curves, self._probes = [], [], []
            if not taken[0]:
                return
            try:
                self._write(*(pa.concat_tables(some) if some else None for some in taken))
            except BaseException:
                with self._lock:
                    self._records = taken[0] + self._records
                    self._curves = taken[1] + self._curves
                    self._probes = taken[2] + self._probes
                raise

    def _write(self, records: pa.Table, curves: pa.Table, probes: pa.Table | None) -> None:
        shard = Shard(self._run_id, self._shards, self._shards)
        start = time.monotonic()
        self._check()
        if self._only_probes:
            self._folder.write_probes(shard.stem, probes)
        else:
            self._folder.write_shard(shard.stem, records, curves, probes)
            self._compactor.add(self._shards)
        self._wrote(start, time.monotonic())
        self._shards += 1

    def _flush_in_time(self) -> None:
        while not self._closing.wait(0.25):
            # the first ones sooner, for those who watch
            patience = min(FLUSH_SECONDS, self._shards + 1.0)
            if self._records and time.monotonic() - self._first >= patience:
                try:
                    self.flush()
                except Exception as error:  # for the driver's thread, at its next record
                    self._error = error
                    self._first = time.monotonic()


class Compactor:
    """Puts shards of a run together as they grow in number, beside the run, in a thread.

    FAN_IN shards in a row become one of the next size, FAN_IN of these one of the size after. So
    each record is written a few times at most, and of every size there are fewer than FAN_IN, but
    for those that are large enough.
    """

    def __init__(
        self,
        folder: ResultsFolder,
        run_id: str,
        check: Check,
        say: Callable[[str], None],
        fan_in: int,
    ) -> None:
        """Nothing is done before the first shard.

        Args:
            folder: Where the shards are.
            run_id: The run's.
            check: Raises if the folder is another driver's by now.
            say: Tells people.
            fan_in: Shards that are put into one.
        """
        self._folder, self._run_id, self._check = folder, run_id, check
        self._say, self._fan_in = say, fan_in
        self._written: SimpleQueue[int | None] = SimpleQueue()
        self._sizes: list[list[Shard]] = [[]]
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def add(self, number: int) -> None:
        """A shard of this number was written."""
        self._written.put(number)

    def end(self) -> None:
        """End after what is due; what is left is fewer than `fan_in` shards of each size."""
        if self._thread.is_alive():
            self._written.put(None)
            self._thread.join()

    def _follow(self) -> None:
        try:
            while (number := self._written.get()) is not None:
                self._take(Shard(self._run_id, number, number), 0)
        except (ResultsError, OSError, pa.ArrowException) as error:
            # the shards are all there: the run goes on
            self._say(f"shards of this run are no longer put together: {error}")

    def _take(self, shard: Shard, size: int) -> None:
        if size == len(self._sizes):
            self._sizes.append([])
        shards = self._sizes[size]
        shards.append(shard)
        if len(shards) < self._fan_in:
            return
        self._sizes[size] = []
        if self._folder.shard_bytes(shards) > MAX_COMPACTED_BYTES:
            del self._sizes[size + 1 :]  # what comes next does not follow on those
        else:
            self._take(self._folder.compact(shards, self._check), size + 1)
