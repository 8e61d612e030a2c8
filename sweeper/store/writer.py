"""Finished trials on their way into shards."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import pyarrow as pa

from sweeper.store.lock import Check
from sweeper.store.results import ResultsFolder

FLUSH_SECONDS = 3.0
"""A finished trial waits at most this long for its shard."""


class ShardWriter:
    """Collects records and writes them as shards, each within FLUSH_SECONDS of its first record."""

    def __init__(
        self,
        folder: ResultsFolder,
        run_id: str,
        wrote: Callable[[float, float], None] = lambda start, end: None,
        only_probes: bool = False,
        check: Check = lambda: None,
    ) -> None:
        """Nothing is written before the first record.

        Args:
            folder: Where the shards go.
            run_id: Makes their names differ from those of any other run.
            wrote: Called after each shard with the times between which it was written, by
                the monotonic clock.
            only_probes: The trials have records: keep what their probes measured and nothing else.
            check: Called before each shard; raises if the folder is another driver's by now.
        """
        self._folder, self._run_id, self._wrote, self._check = folder, run_id, wrote, check
        self._shards = 0
        self._records: list[pa.Table] = []
        self._curves: list[pa.Table] = []
        self._probes: list[pa.Table] = []
        self._only_probes = only_probes
        self._lock = threading.Lock()
        self._first = 0.0
        self._error: Exception | None = None
        self._closing = threading.Event()
        self._clock = threading.Thread(target=self._flush_in_time, daemon=True)

    def __enter__(self) -> Self:
        self._clock.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._clock.join()
        self.flush()

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
        with self._lock:
            if not self._records:
                return
            name = f"{self._run_id}-{self._shards:06d}"
            records, curves = pa.concat_tables(self._records), pa.concat_tables(self._curves)
            probes = pa.concat_tables(self._probes) if self._probes else None
            start = time.monotonic()
            self._check()
            if self._only_probes:
                self._folder.write_probes(name, probes)
            else:
                self._folder.write_shard(name, records, curves, probes)
            self._wrote(start, time.monotonic())
            self._shards += 1
            self._records, self._curves, self._probes = [], [], []

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
