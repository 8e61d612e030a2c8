"""The live line of a run: what is done, how it went, how fast, and how long it will take."""

import time
from collections import Counter
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as RichProgress

PLAIN_SECONDS = 10.0
"""Distance of two lines where the output is no terminal."""


class Progress:
    """Shows a run while it goes on: one live line in a terminal, plain lines elsewhere."""

    def __init__(self, console: Console, total: int, done: int, seconds: float) -> None:
        """Nothing is shown before it is entered.

        Args:
            console: Where to.
            total: Trials of the sweep.
            done: How many of them were finished before this run.
            seconds: Estimated cost of the others, in any unit.
        """
        self._console, self._total, self._before = console, total, done
        self._cost, self._cost_done = seconds, 0.0
        self._outcomes: Counter[str] = Counter()
        self._started = self._spoke = time.monotonic()
        self._live = RichProgress(
            TextColumn("{task.fields[count]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[text]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._live.add_task("", total=total, completed=done, count="", text="starting")

    def __enter__(self) -> Self:
        self._started = self._spoke = time.monotonic()
        self._live.start()
        self._show(force=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._show(force=True)
        self._live.stop()

    @property
    def finished(self) -> int:
        """Trials finished in this run."""
        return sum(self._outcomes.values())

    def add(self, outcomes: list[str], seconds: float) -> None:
        """Count finished trials.

        Args:
            outcomes: Theirs.
            seconds: Their share of the estimated cost.
        """
        self._outcomes.update(outcomes)
        self._cost_done += seconds
        self._show()

    def say(self, text: str) -> None:
        """A line that stays."""
        self._live.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _show(self, force: bool = False) -> None:
        now = time.monotonic()
        count = f"{self._before + self.finished:,}/{self._total:,}"
        self._live.update(
            self._task, completed=self._before + self.finished, count=count, text=self._text(now)
        )
        if not self._console.is_terminal and (force or now - self._spoke >= PLAIN_SECONDS):
            self._spoke = now
            self.say(f"{count}  {self._text(now)}")

    def _text(self, now: float) -> str:
        elapsed = now - self._started
        parts = [f"{count:,} {outcome}" for outcome, count in self._outcomes.most_common()]
        if self.finished:
            parts.append(f"{self.finished / elapsed:.3g} trials/s")
        if 0 < self._cost_done < self._cost * (1 - 1e-9):
            left = elapsed * (self._cost / self._cost_done - 1)
            parts.append(f"{duration(left)} left")
        return " · ".join(parts) or "starting workers"


def duration(seconds: float) -> str:
    """Seconds in the two units that a person would use."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
