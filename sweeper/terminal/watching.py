"""`sweeper status`: a sweep in a terminal, in lines or in place."""

import json
import sys
import time
from datetime import datetime
from typing import Any

import pandas as pd
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from analysis.outcome_maps import NOT_RUN, OutcomeMap, OutcomeMaps
from analysis.tables import plain
from sweeper.run.following import Follower, Look
from sweeper.run.interrupt import Interrupt
from sweeper.run.progress import duration, many
from sweeper.run.pulse import Life
from sweeper.spec.trial import NUMERICS
from sweeper.store.records import Outcome
from sweeper.store.results import ResultsError, ResultsFolder

_BINS = 40
_SETTINGS = 3
"""So many maps where the height is not limited."""
_CAUSES = 5

_GLYPHS = {
    Outcome.GENERALIZED: ("█", "green"),
    Outcome.MEMORIZED: ("░", "blue"),
    Outcome.UNRESOLVED: ("▒", "yellow"),
    Outcome.UNDERFIT: ("_", "magenta"),
    Outcome.DIVERGED: ("~", "magenta"),
    Outcome.STOPPED: ("s", "cyan"),
    Outcome.FAILED: ("!", "bold red"),
    NOT_RUN: ("·", "dim"),
}

_LIFE_STYLES = {Life.RUNNING: "green", Life.STARTING: "green", Life.FINISHED: ""}


class StatusView:
    """Looks at a results folder, and says what is there as text or as plain values."""

    def __init__(self, folder: ResultsFolder) -> None:
        """Nothing is read before the first look.

        Args:
            folder: Of the sweep.
        """
        self._follower = Follower(folder)
        self._maps: tuple[object, OutcomeMaps] | None = None
        self.complete = False

    def plain(self) -> dict[str, Any]:
        """All of a look as JSON knows it."""
        look, maps = self._look()
        found = plain(look.as_dict() | {"settings": list(maps.of(_frame(look)))})
        assert isinstance(found, dict)
        return found

    def text(self, height: int | None = None) -> Group:
        """A look in lines of at most 80 columns, but for names and errors, which may be longer.

        Args:
            height: Lines that there is room for; as many settings are shown as fit.
        """
        look, maps = self._look()
        head = _head(look)
        shown = _SETTINGS
        if height is not None:
            orders = len(set(look.agenda.scope["group_order"].to_pylist()))
            shown = max(1, min(_SETTINGS, (height - len(head) - 2) // (orders + 3)))
        lines = list(head)
        drawn = list(maps.of(_frame(look), shown))
        for one in drawn:
            lines += [Text(), *_map_lines(one)]
        if (more := len(maps.settings) - shown) > 0:
            lines += [Text(f"and {more:,} more setting{'s' * (more > 1)}: --json has all")]
        return Group(*lines, _legend(drawn))

    def _look(self) -> tuple[Look, OutcomeMaps]:
        look = self._follower.look()
        self.complete = look.complete
        if self._maps is None or self._maps[0] is not look.agenda:
            plan = look.agenda.scope.to_pandas().assign(numerics=NUMERICS)
            self._maps = look.agenda, OutcomeMaps(plan, _BINS)
        return look, self._maps[1]


def watch(view: StatusView, console: Console, seconds: float, as_json: bool) -> None:
    """Look again and again: in place in a terminal, else block after block.

    Until the sweep is complete and nobody runs it, or Ctrl-C.

    Args:
        view: Of the folder.
        console: Where to.
        seconds: Between two looks.
        as_json: One JSON object a line instead; of a look that fails, with `error` alone.

    Raises:
        ResultsError: The folder cannot be read at the first look; later it is tried again.
    """
    # a flag: an exception may be lost inside a library that is just being called
    with Interrupt(lambda: None) as interrupt:
        if as_json or not console.is_terminal:
            _watch_plainly(view, console, seconds, as_json, interrupt)
            return
        with Live(view.text(console.height), console=console, auto_refresh=False) as live:
            while not view.complete and _waited(seconds, interrupt):
                live.update(_again(view, console.height), refresh=True)


def _waited(seconds: float, interrupt: Interrupt) -> bool:
    """Wait so long; False as soon as an end is wished for."""
    until = time.monotonic() + seconds
    while not interrupt.requested and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, 0.1))
    return not interrupt.requested


def _watch_plainly(
    view: StatusView, console: Console, seconds: float, as_json: bool, interrupt: Interrupt
) -> None:
    found: dict[str, Any] | Group = view.plain() if as_json else view.text()
    while True:
        if isinstance(found, dict):
            print(json.dumps(found))
        else:
            now = Text(f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S %z}")
            console.print(now, found, Text(), sep="\n")
        sys.stdout.flush()
        if view.complete or not _waited(seconds, interrupt):
            return
        found = _plain_again(view) if as_json else _again(view)


def _plain_again(view: StatusView) -> dict[str, Any]:
    try:
        return view.plain()
    except (ResultsError, OSError) as error:
        return {"error": str(error)}


def _again(view: StatusView, height: int | None = None) -> Group:
    try:
        return view.text(height)
    except (ResultsError, OSError) as error:
        return Group(Text(f"cannot be read now, will be tried again: {error}", "red"))


def _frame(look: Look) -> pd.DataFrame:
    frame: pd.DataFrame = look.records.to_pandas()
    return frame.astype({"generalization_step": "Int64"})


def _head(look: Look) -> list[Text]:
    agenda = look.agenda
    share = f" ({agenda.finished / agenda.total:.0%})" if agenda.total else ""
    text = f"{look.sweep}: {agenda.finished:,} of {agenda.total:,} {agenda.unit} done{share}"
    if agenda.unit != "trials":
        text += f", with {look.records.num_rows:,} trials"
    lines = [Text(text, "bold")]
    lines.append(Text(look.pulse.text, _LIFE_STYLES.get(look.pulse.life, "yellow")))
    if look.pulse.life.goes_on and (beat := look.pulse.heartbeat) and "packs_out" in beat:
        if beat["unit"] != agenda.unit:  # `--probe-finished` counts what it probes
            lines.append(Text(f"{beat['finished']:,} of {beat['total']:,} {beat['unit']} done"))
        lines.append(Text(_work(beat)))
    if speed := _speed(look):
        lines.append(Text(speed))
    counts = look.outcomes()
    if counts:
        lines.append(Text(", ".join(f"{count:,} {name}" for name, count in counts.items())))
    for what, causes in {"failed": look.failures, "not probed": look.unprobed}.items():
        for one in causes[:_CAUSES]:
            lines.append(Text(f"{one.count:,} {what}, such as {one.example}: {one.cause}", "red"))
        if (more := len(causes) - _CAUSES) > 0:
            lines.append(Text(f"and {more:,} more cause{'s' * (more > 1)}: {what}", "red"))
    return lines


def _work(beat: dict[str, Any]) -> str:
    """What is out and who has delivered, by a heartbeat."""
    hosts = beat["hosts"]
    seen = sum(one["workers"] for one in hosts.values())
    where = f" on {len(hosts):,} hosts" if len(hosts) > 1 else ""
    return (
        f"{many(beat['workers'], 'worker')}, {seen:,} heard of{where}; "
        f"{many(beat['packs_out'], 'pack')} out with {many(beat['trials_out'], 'trial')}, "
        f"{beat['packs_waiting']:,} waiting"
    )


def _speed(look: Look) -> str:
    speed = look.speed
    if speed is None or speed.trials_per_s is None:
        return ""
    goes_on = look.pulse.life.goes_on
    text = f"{speed.trials_per_s:.3g} trials/s in {duration(speed.seconds)}"
    if not goes_on:
        text = f"the latest run made {many(speed.trials, 'trial')}, {text}"
    if speed.seconds_left and goes_on:
        text += f"; about {duration(speed.seconds_left)} left"
    elif speed.seconds_left:
        text += f"; at that speed what is left takes about {duration(speed.seconds_left)}"
    return text


def _map_lines(one: OutcomeMap) -> list[Text]:
    width = max(len(row.cells) for row in one.rows)
    scale = _scale(one, width)
    label = max(len("M"), *(len(row.label) for row in one.rows))
    lines = [
        Text(one.setting, "bold"),
        Text(f"{'M':>{label}} {scale}  {'n_c':>7} {'between':>11} {'seeds':>7}", "bold"),
    ]
    for row in one.rows:
        line = Text(f"{row.label:>{label}} ")
        for cell in row.cells:
            line.append(*(_GLYPHS[cell] if cell else (" ", "")))
        line.append(" " * (len(scale) - width))
        n_c = between = "–"
        if row.n_c is not None:
            n_c, between = f"{row.n_c:.1f}", f"{row.n_low:.0f}–{row.n_high:.0f}"
        line.append(f"  {n_c:>7} {between:>11} {f'{row.bracketed}/{row.seeds}':>7}")
        lines.append(line)
    return lines


def _scale(one: OutcomeMap, width: int) -> str:
    """What the columns are, at least as wide as they are."""
    first, last, name = f"{one.low:.3g}", f"{one.high:.3g}", "n/(M log M)"
    gap = max(width - len(first) - len(last), len(name) + 2)
    return f"{first}{name:^{gap}}{last}"


def _legend(maps: list[OutcomeMap]) -> Text:
    """What the characters mean, as far as they are there."""
    seen = {cell for one in maps for row in one.rows for cell in row.cells}
    line = Text()
    for name, (glyph, style) in _GLYPHS.items():
        if name in seen:
            line.append(glyph, style)
            line.append(f" {name}  ")
    return line
