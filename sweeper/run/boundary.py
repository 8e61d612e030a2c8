"""Which trials to run next, to find the n_train at which each cell turns to generalize.

A cell is what differs in n_train alone: a group, a setting and its seeds. Each is bisected in
log n, many at once. A cell starts at the bracket that its other seeds, other orders or other
settings predict, so that the first two runs of most are also a test of a bracket's ends with
another seed. Where the prediction was wrong it widens. It ends when no candidate is left between a
run that did not generalize and one that did. Knows no executor, no files and no clock.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sweeper.spec.trial import TRIAL_SCHEMA
from sweeper.tasks.cuts import best_cut
from sweeper.tasks.groups import group_named

_SEEDS = ("split_seed", "init_seed")
_SIZES = ("group", "group_order", "hidden_size")
_NEAREST = 4
"""Groups that a prediction for another order is drawn from."""
_SLOPES = (0.5, 2.5)
"""Exponents of M that it may have."""
_FAR = 2.0
"""Steps between a bracket and its prediction from which its ends are tested again."""
_RETESTED = 4
"""Runs around a bracket that make it sure."""
_EARLY_TRIES = 3
"""Runs above a bracket at most, in search of one that generalizes within half the horizon."""


class _State(IntEnum):
    """Of a candidate."""

    UNTRIED = 0
    OUT = 1
    """With a worker."""
    LOST = 2
    """Did not generalize within the horizon."""
    WON = 3
    """Generalized within the horizon, not within half of it."""
    EARLY = 4
    """Generalized within half the horizon."""
    VOID = 5
    """Says nothing: it failed."""


@dataclass(frozen=True)
class _Names:
    """By what a cell finds those that it can learn from.

    Attributes:
        siblings: All but the seeds.
        setting: All but the seeds, the group and the width.
        group: The group and the width.
        order: M.
        dim: The largest dimension of the group's irreps.
    """

    siblings: tuple[object, ...]
    setting: tuple[object, ...]
    group: tuple[object, ...]
    order: int
    dim: int


class _Cell:
    """The candidates of one cell in order of n_train, and what is known about them."""

    def __init__(
        self,
        names: _Names,
        rows: NDArray[np.int64],
        n_train: NDArray[np.int64],
        required: NDArray[np.bool_],
    ) -> None:
        self.names, self.rows, self._required = names, rows, required
        self.n_train, self._log_n = n_train, np.log(n_train)
        self.state = np.zeros(len(rows), dtype=np.int8)
        self._aim: float | None = None
        """log n at which others predicted the threshold."""
        self.turn = 0
        """Cells of a lower one come first."""

    @property
    def out(self) -> bool:
        return bool((self.state == _State.OUT).any())

    @property
    def begun(self) -> bool:
        """Whether it needs no prediction."""
        return bool((self.state != _State.UNTRIED).any() or self._required.any())

    def bracket(self) -> tuple[float, float]:
        """Log n of its ends; -inf or inf where no run lies on that side."""
        known = np.isin(self.state, (_State.LOST, _State.WON, _State.EARLY))
        cut = best_cut(self.n_train[known], self.state[known] != _State.LOST)
        low = -math.inf if math.isnan(cut.n_low) else math.log(cut.n_low)
        return low, math.inf if math.isnan(cut.n_high) else math.log(cut.n_high)

    def found(self) -> float | None:
        """Log n_c, once runs lie on both sides."""
        low, high = self.bracket()
        middle = (low + high) / 2
        return middle if math.isfinite(middle) else None

    def start(self, log_n: float | None) -> list[int]:
        """The place to try first: the nearest to a prediction, or the middle of the range."""
        self._aim = log_n
        return self._nearest((self._log_n[0] + self._log_n[-1]) / 2 if log_n is None else log_n)

    def next(self, step: float) -> list[int]:
        """The places to try next, or none when it is settled.

        Args:
            step: log of the ratio at which a bracket is narrow enough.
        """
        required = np.flatnonzero(self._required & (self.state == _State.UNTRIED))
        if len(required):
            return [int(place) for place in required]
        low, high = self.bracket()
        if high - low <= step * (1 + 1e-9):
            return self._again(low, high, step) or self._early(high, step)
        first, last = self._log_n[0], self._log_n[-1]
        reach = step * 2 ** (int((self.state > _State.OUT).sum()) - 1)
        if math.isinf(low) and math.isinf(high):  # runs that say nothing
            aim = (first + last) / 2
        elif math.isinf(low):
            aim = max(first, high - reach) if self._aim is not None else (first + high) / 2
        elif math.isinf(high):
            aim = min(last, low + reach) if self._aim is not None else (low + last) / 2
        else:
            aim = (low + high) / 2
        return self._nearest(aim, low, high) or self._early(high, step)

    def speculate(self) -> list[int]:
        """A place that halves the widest gap in its bracket, taking runs that are out as known."""
        low, high = self.bracket()
        tried = self._log_n[self.state != _State.UNTRIED]
        ends = max(low, self._log_n[0] - 1e-6), min(high, self._log_n[-1] + 1e-6)
        edges = np.concatenate([[ends[0]], tried, [ends[1]]])
        edges = np.unique(edges[(edges >= low) & (edges <= high)])
        for widest in np.argsort(-np.diff(edges), kind="stable"):
            middle = (edges[widest] + edges[widest + 1]) / 2
            if place := self._nearest(middle, edges[widest], edges[widest + 1]):
                return place
        return []

    def _again(self, low: float, high: float, step: float) -> list[int]:
        """Beside a bracket far from where others predicted it: one run may have misled it."""
        if self._aim is None or abs((low + high) / 2 - self._aim) < _FAR * step:
            return []
        beside = self.state[(self._log_n >= low - 3 * step) & (self._log_n <= high + 3 * step)]
        if (beside > _State.OUT).sum() >= _RETESTED:
            return []
        if low > self._aim:
            return self._nearest(low - step, low - 3 * step, low)
        return self._nearest(high + step, high, high + 3 * step)

    def _early(self, high: float, step: float) -> list[int]:
        """A place above a bracket, until a run generalizes within half the horizon.

        For n_c is read from the same runs at half the horizon too, to see whether it moves.
        """
        above = self._log_n >= high - 1e-12
        if not above.any() or (self.state[above] == _State.EARLY).any():
            return []
        tried = int((self.state[above] > _State.OUT).sum())
        if tried > _EARLY_TRIES:
            return []
        return self._nearest(high + step * (2**tried - 1), high, math.inf)

    def _nearest(self, aim: float, low: float = -math.inf, high: float = math.inf) -> list[int]:
        """The untried candidate nearest to `aim` strictly between two log n, or none."""
        inside = (self._log_n > low) & (self._log_n < high) & (self.state == _State.UNTRIED)
        places = np.flatnonzero(inside)
        if not len(places):
            return []
        return [int(places[np.argmin(np.abs(self._log_n[places] - aim))])]


class BoundarySearch:
    """Proposes rows of a plan of candidates, and learns from their outcomes."""

    def __init__(
        self, plan: pa.Table, tolerance: float, required: NDArray[np.bool_] | None = None
    ) -> None:
        """Start knowing nothing.

        Args:
            plan: Every candidate of every cell, as PLAN_SCHEMA; all else speaks of its rows.
            tolerance: Relative width of a bracket that is narrow enough, such as 0.05.
            required: (rows,) which of them are run whatever comes; none by default.
        """
        self._step = math.log1p(tolerance)
        if required is None:
            required = np.zeros(plan.num_rows, dtype=bool)
        self._cells = dict(enumerate(_cells(plan, required)))
        self._of_row = {
            row: (name, place)
            for name, cell in self._cells.items()
            for place, row in enumerate(cell.rows.tolist())
        }
        self._unsettled = dict(self._cells)

    @property
    def cells(self) -> int:
        """How many there are."""
        return len(self._cells)

    @property
    def settled(self) -> int:
        """How many of them need no more runs."""
        return len(self._cells) - len(self._unsettled)

    @property
    def done(self) -> bool:
        """Every cell is settled."""
        return not self._unsettled

    def put_off(self, turns: NDArray[np.int64]) -> None:
        """Have cells wait for those of a lower turn, which take what there is to ask for first.

        Args:
            turns: (rows of the plan,) the highest of a cell's rows counts.
        """
        for cell in self._cells.values():
            cell.turn = int(turns[cell.rows].max())

    def tell(self, row: int, generalized: bool | None, early: bool = False) -> None:
        """Take in an outcome, whether it was asked for or not.

        Args:
            row: In the plan.
            generalized: Within the horizon; None where the run failed, which says nothing.
            early: Within half the horizon, too.
        """
        name, place = self._of_row[row]
        cell = self._cells[name]
        if generalized is None:
            cell.state[place] = _State.VOID
        elif generalized:
            cell.state[place] = _State.EARLY if early else _State.WON
        else:
            cell.state[place] = _State.LOST
        if cell.out or cell.next(self._step):
            self._unsettled[name] = cell
        else:
            self._unsettled.pop(name, None)

    def ask(self, count: int) -> list[int]:
        """Rows to run now, at most `count`; none while all that is needed is out.

        Cells take one step each, begun ones first, then those that others predict best. What is
        still free then goes to cells of which nothing is known, and at last to runs that may turn
        out to be needless, rather than to nobody.
        """
        rows: list[int] = []
        idle = [cell for cell in self._unsettled.values() if not cell.out]
        for turn in sorted({cell.turn for cell in idle}):
            if len(rows) < count:
                rows += self._steps([cell for cell in idle if cell.turn == turn], count - len(rows))
        progress = True
        while progress and len(rows) < count:
            progress = False
            for cell in self._unsettled.values():
                if len(rows) < count and (places := cell.speculate()):
                    rows += self._take(cell, places)
                    progress = True
        return rows

    def _steps(self, idle: list[_Cell], count: int) -> list[int]:
        """One step of each of some cells, at most `count`."""
        rows: list[int] = []
        for cell in idle:
            if cell.begun and len(rows) < count:
                rows += self._take(cell, cell.next(self._step)[: count - len(rows)])
        fresh = [cell for cell in idle if not cell.begun]
        if not fresh or len(rows) >= count:
            return rows
        predictions = _Predictions(self._cells.values())
        ranked = sorted(
            ((*predictions.of(cell.names), i) for i, cell in enumerate(fresh)),
            key=lambda found: (found[0], fresh[found[2]].names.order, found[2]),
        )
        begun = {cell.names.siblings for cell in self._cells.values() if cell.out}
        waiting = []
        for _, log_n, i in ranked:
            if len(rows) >= count:
                break
            cell = fresh[i]
            if log_n is None and cell.names.siblings in begun:
                waiting.append(cell)  # will be predicted soon
                continue
            begun.add(cell.names.siblings)
            rows += self._take(cell, cell.start(log_n))
        for cell in waiting:
            if len(rows) < count:
                rows += self._take(cell, cell.start(None))
        return rows

    def _take(self, cell: _Cell, places: list[int]) -> list[int]:
        cell.state[places] = _State.OUT
        return [int(row) for row in cell.rows[places]]


class _Predictions:
    """Log n_c of cells that have not begun, from those that have runs on both sides."""

    def __init__(self, cells: Iterable[_Cell]) -> None:
        self._siblings: dict[object, list[float]] = defaultdict(list)
        self._settings: dict[object, dict[object, tuple[_Names, list[float]]]] = defaultdict(dict)
        self._groups: dict[object, list[float]] = defaultdict(list)
        for cell in cells:
            log_n = cell.found() if cell.begun else None
            if log_n is None:
                continue
            names = cell.names
            self._siblings[names.siblings].append(log_n)
            self._settings[names.setting].setdefault(names.group, (names, []))[1].append(log_n)
            self._groups[names.group].append(log_n)

    def of(self, names: _Names) -> tuple[int, float | None]:
        """Which source predicts best (0 is best), and what it predicts."""
        if found := self._siblings.get(names.siblings):
            return 0, float(np.mean(found))
        if others := self._settings.get(names.setting):
            known = list(others.values())
            alike = [one for one in known if one[0].dim == names.dim]  # the law has d_k in it
            return 1, _along_orders(
                names.order, [(one.order, found) for one, found in alike or known]
            )
        if found := self._groups.get(names.group):
            return 2, float(np.mean(found))
        return 3, None


def _along_orders(order: int, known: list[tuple[int, list[float]]]) -> float:
    """Log n_c at another order: a line in log M through the nearest groups, or M log M from one."""
    M = np.array([one for one, _ in known], dtype=float)
    log_n = np.array([np.mean(values) for _, values in known])
    nearest = np.argsort(np.abs(np.log(M / order)), kind="stable")[:_NEAREST]
    x, y = np.log(M[nearest]), log_n[nearest]
    if np.ptp(x) == 0:
        return float(np.mean(y) + math.log(order * math.log(order)) - np.mean(x + np.log(x)))
    slope = float(np.clip(np.polyfit(x, y, 1)[0], *_SLOPES))
    return float(np.mean(y) + slope * (math.log(order) - np.mean(x)))


def _cells(plan: pa.Table, required: NDArray[np.bool_]) -> list[_Cell]:
    """The plan's cells in the order of their first rows."""
    frame = plan.select(TRIAL_SCHEMA.names).to_pandas()
    columns = [name for name in frame.columns if name != "n_train"]
    setting = [name for name in columns if name not in (*_SEEDS, *_SIZES)]
    cells = []
    for values, part in frame.groupby(columns, sort=False):
        row = dict(zip(columns, values, strict=True))
        part = part.sort_values("n_train")
        sizes = tuple(row[name] for name in _SIZES)
        where = tuple(row[name] for name in setting)
        dim = group_named(row["group"]).max_irrep_dim
        names = _Names((*sizes, *where), where, sizes, int(row["group_order"]), dim)
        rows = part.index.to_numpy()
        cells.append(_Cell(names, rows, part["n_train"].to_numpy(), required[rows]))
    return cells
