"""Whether a sweep's driver lives: from its lock, its heartbeat, and the clock."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sweeper.run.progress import duration
from sweeper.store.provenance import host
from sweeper.store.results import ResultsFolder

STALE_SECONDS = 15.0
"""A heartbeat older than this is no sign of life."""


class Life(StrEnum):
    """What is known of the driver of a folder's latest run."""

    STARTING = "starting"
    """It lives, and hands out no packs yet."""
    RUNNING = "running"
    """It lives and was heard of just now."""
    SILENT = "silent"
    """It holds the lock, but its heartbeat is old: it hangs, or cannot write."""
    UNCONFIRMED = "unconfirmed"
    """Heard of just now from another machine, but its lock is not seen from here."""
    FINISHED = "finished"
    """The run ended; it had nothing left to do."""
    PAUSED = "paused"
    """It ended when its budget was spent."""
    INTERRUPTED = "interrupted"
    """It was asked to end."""
    FAILED = "failed"
    """It ended with an error."""
    DIED = "died"
    """It ended without a word: killed, or its machine went down."""
    UNTOLD = "untold"
    """Not running; how it ended is not known."""

    @property
    def goes_on(self) -> bool:
        """Whether the run surely goes on."""
        return self in {Life.STARTING, Life.RUNNING}


@dataclass(frozen=True)
class Pulse:
    """What is known of a driver.

    Attributes:
        life: In a word.
        text: In a sentence.
        holder: Who holds the folder's lock, or None.
        heartbeat: What the driver last told of the run, or None.
        age_s: How long ago that was, by this machine's clock against the driver's.
    """

    life: Life
    text: str
    holder: str | None
    heartbeat: dict[str, Any] | None
    age_s: float | None


def pulse(folder: ResultsFolder, run_id: str) -> Pulse:
    """Whether the driver of a run lives.

    Args:
        folder: Where it writes.
        run_id: Of the latest run; read before, for a lock that is free now was held then.

    Raises:
        ResultsError: Its heartbeat cannot be read.
    """
    # In this order: a driver tells how it ended while it still holds the lock.
    holder = folder.driver()
    beat = folder.state(run_id)
    age = None
    if beat:
        age = (datetime.now(UTC) - datetime.fromisoformat(beat["updated_at"])).total_seconds()
    life = _life(folder.local_path is None, holder, run_id, beat, age)
    return Pulse(life, _words(life, holder, run_id, beat, age), holder, beat, age)


def _life(
    remote: bool, holder: str | None, run_id: str, beat: dict[str, Any] | None, age: float | None
) -> Life:
    driver = holder if holder and holder.startswith("run ") else ""  # not `sweeper repair`
    held = bool(driver)
    fresh = age is not None and abs(age) <= STALE_SECONDS
    if held and run_id not in driver:
        return Life.STARTING  # a next run, which has not described itself yet
    if beat is None:
        return Life.STARTING if held else Life.UNTOLD
    told = Life(beat["phase"])
    if not told.goes_on:
        return told
    if fresh and (held or remote):
        return told
    if held:
        return Life.SILENT
    return Life.UNCONFIRMED if fresh and beat["host"] != host() else Life.DIED


def _words(
    life: Life, holder: str | None, run_id: str, beat: dict[str, Any] | None, age: float | None
) -> str:
    if life is Life.STARTING:
        return f"starting: {holder or f'run {run_id}'}"
    if life is Life.UNTOLD or beat is None or age is None:
        return f"not running; how run {run_id} ended is not known"
    who = f"run {run_id} on {beat['host']}, process {beat['pid']}"
    ago = f"{duration(age)} ago" if age >= 0 else f"{duration(-age)} ahead of this clock"
    if life is Life.RUNNING:
        return f"running: {who}, heard of {ago}"
    if life is Life.SILENT:
        return (
            f"silent: {who} holds the lock but was last heard of {ago}: it hangs, cannot write, "
            "or its clock is off"
        )
    if life is Life.UNCONFIRMED:
        return f"perhaps running: {who} was heard of {ago}, but its lock is not seen from here"
    if life is Life.DIED:
        return f"not running: {who} ended without a word, last heard of {ago}"
    error = f": {beat['error']}" if beat["error"] else ""
    return f"not running: {who} {life} {ago}{error}"
