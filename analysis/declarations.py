"""Laws as declarations: a formula, its parameters with bounds, and the family it is tested in."""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from analysis.formulas import Formula, InputError, parse
from analysis.separation import Separated, separate

COLUMNS = ("M", "d", "M_star", "d_star")
"""What a law's formula may name beside its parameters."""
_KEYS = ("formula", "parameters", "family")
_WORDS = {"free": (-math.inf, math.inf), "positive": (0.0, math.inf)}
_MAX_BYTES = 100_000

Bounds = tuple[float, float]


@dataclass(frozen=True)
class DeclaredLaw:
    """A law for n_c over the groups of one setting.

    Attributes:
        name: What tables call it.
        formula: n = an expression of COLUMNS and the parameters.
        bounds: Lowest and highest value of each parameter.
        family: The name of a law with more parameters in which this one lies, or None.
        separated: The logarithm of the formula, in what is linear in the parameters and the rest.
    """

    name: str
    formula: Formula
    bounds: dict[str, Bounds]
    family: str | None
    separated: Separated

    @property
    def uses_dim(self) -> bool:
        """Whether the irrep dimension is in it."""
        return "d" in self.formula.names


def declare(
    name: str, formula: str, parameters: Mapping[str, object], family: str | None = None
) -> DeclaredLaw:
    """Declare a law.

    Args:
        name: What tables call it.
        formula: As in `n = C * d**2 * M * log(M/delta)`.
        parameters: For each "free", "positive", or its lowest and highest value. One that is not
            linear in log n, such as delta here, needs finite ones: its starts are spread over them.
        family: The name of a law with more parameters in which this one lies.

    Raises:
        InputError: Something is wrong with it; the message gives all of it, a line each.
    """
    parsed = parse(formula)
    problems = []
    if parsed.response != "n":
        problems.append(f"formula: the left-hand side is n, not {parsed.response}")
    for unknown in (one for one in parsed.names if one not in {*COLUMNS, *parameters}):
        problems.append(f"formula: {_unknown(unknown, [*COLUMNS, *parameters])}")
    bounds: dict[str, Bounds] = {}
    for parameter, given in parameters.items():
        found = _bounds(given)
        if parameter in COLUMNS:
            problems.append(f"parameters.{parameter}: the name of a column; choose another")
        elif parameter not in parsed.names:
            problems.append(f"parameters.{parameter}: not in the formula; take it out")
        elif isinstance(found, str):
            problems.append(f"parameters.{parameter}: {found}")
        else:
            bounds[parameter] = found
    separated = separate(parsed.body, tuple(bounds))
    for parameter, (low, high) in bounds.items():
        if parameter not in separated.linear and not math.isfinite(high - low):
            problems.append(
                f"parameters.{parameter}: enters nonlinearly, and so needs a lowest and a highest"
                " value to start between, such as [1e-6, 1]"
            )
    if problems:
        raise InputError("\n".join(problems))
    return DeclaredLaw(name, parsed, bounds, family, separated)


@cache
def built_in_laws() -> tuple[DeclaredLaw, ...]:
    """The laws of `analysis/laws.yaml`."""
    text = files("analysis").joinpath("laws.yaml").read_text(encoding="utf-8")
    return _laws(text, "laws.yaml", ())


def built_in_law(name: str) -> DeclaredLaw:
    """One of the laws of `analysis/laws.yaml`.

    Args:
        name: As it stands there.

    Raises:
        InputError: There is none of this name; the message lists those there are.
    """
    known = {law.name: law for law in built_in_laws()}
    if name not in known:
        raise InputError(f"law: {_unknown(name, [*known])}; built-in laws are {', '.join(known)}")
    return known[name]


def read_laws(path: str | Path) -> tuple[DeclaredLaw, ...]:
    """The laws of a YAML file, written as `analysis/laws.yaml` is.

    Args:
        path: The file, of at most 100 kB.

    Raises:
        InputError: It is no file of laws; the message has every problem with its line.
        OSError: It cannot be read.
    """
    raw = Path(path).read_bytes()
    if len(raw) > _MAX_BYTES:
        raise InputError(f"{path}: {len(raw):,} bytes; laws take at most {_MAX_BYTES:,}")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: no UTF-8 text: {error.reason}") from None
    return _laws(text, str(path), built_in_laws())


def _laws(text: str, where: str, known: tuple[DeclaredLaw, ...]) -> tuple[DeclaredLaw, ...]:
    try:
        data = YAML(typ="rt", pure=True).load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or "no YAML"
        raise InputError(f"{where}{line}: {what}") from None
    if not isinstance(data, CommentedMap) or not data:
        raise InputError(f"{where}: a mapping of laws by name is wanted, as in analysis/laws.yaml")
    names = [*(law.name for law in known), *map(str, data)]
    laws, problems = [], []
    for name, entry in data.items():
        line = data.lc.key(name)[0] + 1
        taken = any(law.name == name for law in known)
        try:
            if taken:
                raise InputError("the name of a built-in law; choose another")
            laws.append(_law(str(name), entry, names))
        except InputError as error:
            problems += [f"{where}:{line} {name}: {one}" for one in str(error).splitlines()]
    if problems:
        raise InputError("\n".join(problems))
    _check_families([*known, *laws], where)
    return tuple(laws)


def _law(name: str, entry: object, names: list[str]) -> DeclaredLaw:
    if not isinstance(entry, dict) or not isinstance(entry.get("formula"), str):
        raise InputError("a mapping is wanted with formula: n = ..., and parameters:")
    for key in entry:
        if key not in _KEYS:
            raise InputError(f"{_unknown(str(key), _KEYS)}; valid keys are {', '.join(_KEYS)}")
    parameters, family = entry.get("parameters") or {}, entry.get("family")
    if not isinstance(parameters, dict):
        raise InputError("parameters: a mapping is wanted, such as {C: positive}")
    if family is not None and family not in names:
        raise InputError(f"family: {_unknown(str(family), names)}")
    return declare(name, entry["formula"], parameters, family)


def _check_families(laws: list[DeclaredLaw], where: str) -> None:
    sizes = {law.name: len(law.bounds) for law in laws}
    for law in laws:
        if law.family and sizes[law.family] <= sizes[law.name]:
            raise InputError(
                f"{where} {law.name}: its family, {law.family}, has {sizes[law.family]} parameters;"
                f" it needs more than {sizes[law.name]} for the law to lie inside it"
            )


def _bounds(given: Any) -> Bounds | str:  # noqa: ANN401, as YAML has it
    if isinstance(given, str) and given in _WORDS:
        return _WORDS[given]
    numbers = isinstance(given, (list, tuple)) and all(
        isinstance(one, (int, float)) and not isinstance(one, bool) for one in given
    )
    if not numbers or len(given) != 2 or not float(given[0]) < float(given[1]):
        return f"{given!r} is none of free, positive and [lowest, highest]"
    return float(given[0]), float(given[1])


def _unknown(name: str, valid: tuple[str, ...] | list[str]) -> str:
    close = difflib.get_close_matches(name, valid, 1, 0.5)
    near = close or [one for one in valid if one.lower() == name.lower()]
    return f"{name} is unknown" + (f"; did you mean {near[0]}?" if near else "")
