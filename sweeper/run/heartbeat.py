"""What a driver tells of its run while it lives, for whoever can read the results folder."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from sweeper.run.agenda import Agenda
from sweeper.run.interrupt import Interrupt
from sweeper.run.ledger import Ledger
from sweeper.store.provenance import host
from sweeper.store.results import ResultsFolder

BEAT_SECONDS = 2.0
"""Distance of two beats."""


class Heartbeat:
    """While entered, keeps `state/<run>.json` fresh; at the end it says how the run ended.

    A beat that cannot be written is told once and ends nothing: records matter, this does not.
    """

    def __init__(
        self,
        folder: ResultsFolder,
        run_id: str,
        agenda: Agenda,
        interrupt: Interrupt,
        say: Callable[[str], None],
    ) -> None:
        """Nothing is written before it is entered.

        Args:
            folder: Where to.
            run_id: Of this run.
            agenda: What it has to do.
            interrupt: What may end it before.
            say: Tells people.
        """
        self._folder, self._run_id, self._agenda = folder, run_id, agenda
        self._interrupt, self._say = interrupt, say
        self._before = {"finished_before": agenda.finished, "cost_before": agenda.cost}
        self._started_at, self._clock_at_start = _now(), time.monotonic()
        self._ledger: Ledger | None = None
        self._told = False
        self._writing = threading.Lock()
        self._ending = threading.Event()
        self._clock = threading.Thread(target=self._beat, daemon=True)

    def follow(self, ledger: Ledger) -> None:
        """Packs are handed out from now on."""
        self._ledger = ledger
        self._write("running")

    def __enter__(self) -> Self:
        self._write("starting")
        self._clock.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        self._clock.join()
        if isinstance(error, Exception):
            self._write("failed", f"{type(error).__name__}: {error}")
        elif self._agenda.finished == self._agenda.total:
            self._write("finished")
        elif error is not None or self._interrupt.signalled:
            self._write("interrupted")
        else:
            self._write("paused")

    def _beat(self) -> None:
        while not self._ending.wait(BEAT_SECONDS):
            self._write("running" if self._ledger else "starting")

    def _write(self, phase: str, error: str | None = None) -> None:
        with self._writing:
            try:
                self._folder.write_state(self._run_id, self._state(phase, error))
            except OSError as failure:
                if not self._told:
                    self._told = True
                    self._say(f"where this run stands cannot be told to others: {failure}")

    def _state(self, phase: str, error: str | None) -> dict[str, Any]:
        agenda = self._agenda
        return {
            "run_id": self._run_id,
            "phase": phase,
            "error": error,
            "host": host(),
            "pid": os.getpid(),
            "started_at": self._started_at,
            "updated_at": _now(),
            "elapsed_s": time.monotonic() - self._clock_at_start,
            "unit": agenda.unit,
            "total": agenda.total,
            "finished": agenda.finished,
            "cost": agenda.cost,
            **self._before,
            **(asdict(self._ledger.standing()) if self._ledger else {}),
        }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
