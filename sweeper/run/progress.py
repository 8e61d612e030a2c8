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

    def __init__(self, console: Console, unit: str, total: int, done: int, cost: float) -> None:
        """Nothing is shown before it is entered.

        Args:
            console: Where to.
            unit: What is counted.
            total: How many of it the sweep has.
            done: How many of them were finished before this run.
            cost: Of the others, in any measure of time.
        """
        self._console, self._unit, self._total, self._done = console, unit, total, done
        self._cost = self._cost_left = cost
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

    def add(self, outcomes: list[str], done: int, cost: float) -> None:
        """Count finished trials.

        Args:
            outcomes: Theirs.
            done: How many of the total are finished now.
            cost: Of the others.
        """
        self._outcomes.update(outcomes)
        self._done, self._cost_left = done, cost
        self._show()

    def say(self, text: str) -> None:
        """A line that stays."""
        self._live.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _show(self, force: bool = False) -> None:
        now = time.monotonic()
        count = f"{self._done:,}/{self._total:,} {self._unit}"
        self._live.update(self._task, completed=self._done, count=count, text=self._text(now))
        if not self._console.is_terminal and (force or now - self._spoke >= PLAIN_SECONDS):
            self._spoke = now
            self.say(f"{count}  {self._text(now)}")

    def _text(self, now: float) -> str:
        elapsed = now - self._started
        parts = [f"{count:,} {outcome}" for outcome, count in self._outcomes.most_common()]
        if self.finished:
            parts.append(f"{self.finished / elapsed:.3g} trials/s")
        if self._cost * 1e-9 < self._cost_left < self._cost:
            left = elapsed * self._cost_left / (self._cost - self._cost_left)
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


def many(count: int, noun: str) -> str:
    """A number of things: 1 trial, 2 trials."""
    return f"{count:,} {noun}{'s' * (count != 1)}"
