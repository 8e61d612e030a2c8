"""Formulas that users write, such as `n = C * d**2 * M * log(M/delta)`: read, never executed.

A formula is parsed as Python is, and its tree walked by the functions here: numbers, names,
+ - * / **, log, exp and sqrt. Everything else is refused with its place, so that a file of laws
from elsewhere cannot run anything.
"""

import ast
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]
"""Real, or complex where a derivative is taken."""

FUNCTIONS = {"log": np.log, "exp": np.exp, "sqrt": np.sqrt}
_OPERATORS = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.true_divide,
    ast.Pow: np.power,
}
_LONGEST = 500
_ALLOWED = "a formula has numbers, names, + - * / **, log, exp, sqrt and brackets"
_STEP = 1e-30
"""Of the complex step: so small that its square vanishes, and nothing is subtracted."""


class InputError(ValueError):
    """Something wrong with a formula, a declared law or a table; the text has place and remedy."""


@dataclass(frozen=True)
class Formula:
    """A response and what it equals.

    Attributes:
        text: As written.
        response: The name on the left.
        body: The right-hand side, of allowed nodes alone.
    """

    text: str
    response: str
    body: ast.expr

    @property
    def names(self) -> tuple[str, ...]:
        """Names on the right-hand side, in order of appearance."""
        return names_in(self.body)


def parse(text: str) -> Formula:
    """Read `response = expression`.

    Args:
        text: The formula, at most 500 characters.

    Raises:
        InputError: It is no such formula, or holds what is not allowed; the message says where and
            what would be right.
    """
    if len(text) > _LONGEST:
        raise InputError(f"a formula of {len(text)} characters; at most {_LONGEST} are read")
    body = _statement(text)
    if not isinstance(body, ast.Assign):
        raise InputError(f"{text}: no `=` here; write it as n = C * M * log(M)")
    if len(body.targets) > 1 or not isinstance(body.targets[0], ast.Name):
        raise InputError(f"{text}: the left-hand side is one name, as in n = C * M * log(M)")
    response = body.targets[0].id
    _check(body.value, text)
    if response in names_in(body.value):
        raise InputError(f"{text}: {response} stands on both sides; it may stand on the left alone")
    return Formula(text, response, body.value)


def names_in(node: ast.expr) -> tuple[str, ...]:
    """Names in an expression, in order of appearance, those of functions left out."""
    found: dict[str, tuple[int, int]] = {}
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id not in FUNCTIONS:
            place = getattr(part, "lineno", 1), getattr(part, "col_offset", 0)
            found[part.id] = min(place, found.get(part.id, place))
    return tuple(sorted(found, key=lambda name: found[name]))


def evaluate(node: ast.expr, values: Mapping[str, Any]) -> Numbers:
    """The value of an expression; NaN or infinite where it has none.

    Args:
        node: As in `Formula.body`, or made of such nodes.
        values: For every name a number, or an array; arrays are of one length.
    """
    with np.errstate(all="ignore"):
        return np.asarray(_value(node, values))


def derivative(node: ast.expr, values: Mapping[str, Any], name: str) -> Numbers:
    """The derivative with respect to one name, to machine precision.

    By a complex step, Im f(x + ih)/h (Squire and Trapp 1998): every operation allowed in a formula
    is analytic where it is real.
    """
    shifted = {key: np.asarray(value, complex) for key, value in values.items()}
    shifted[name] = shifted[name] + 1j * _STEP
    return evaluate(node, shifted).imag / _STEP


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:  # noqa: ANN401, numbers or arrays
    if isinstance(node, ast.Constant):
        return np.float64(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, values), _value(node.right, values)
        return _OPERATORS[type(node.op)](left, right)
    if isinstance(node, ast.UnaryOp):
        value = _value(node.operand, values)
        return -value if isinstance(node.op, ast.USub) else value
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    return FUNCTIONS[node.func.id](_value(node.args[0], values))


def _statement(text: str) -> ast.stmt:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python, about code that is refused anyway
            statements = ast.parse(text.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        offset = getattr(error, "offset", None)
        place = f" near column {offset}" if offset else ""
        raise InputError(f"{text}: cannot be read{place}; {_ALLOWED}") from None
    if len(statements) != 1:
        raise InputError(f"{text}: one formula on one line, as in n = C * M * log(M)")
    return statements[0]


def _check(node: ast.expr, text: str) -> None:
    """Refuse whatever is not on the list."""
    if isinstance(node, ast.Constant):
        _check_number(node, text)
    elif isinstance(node, ast.Name):
        if node.id in FUNCTIONS:
            raise _refused(node, text, f"{node.id} is a function; write {node.id}(...)")
    elif isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.BitXor):
            raise _refused(node, text, "^ is no power here; write **")
        if type(node.op) not in _OPERATORS:
            raise _refused(node, text, _ALLOWED)
        _check(node.left, text)
        _check(node.right, text)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.UAdd, ast.USub)):
        _check(node.operand, text)
    elif isinstance(node, ast.Call):
        _check_call(node, text)
    else:
        raise _refused(node, text, _ALLOWED)


def _check_number(node: ast.Constant, text: str) -> None:
    if type(node.value) not in {int, float}:
        raise _refused(node, text, _ALLOWED)
    try:
        finite = math.isfinite(float(node.value))  # type: ignore[arg-type]
    except OverflowError:
        finite = False
    if not finite:
        raise _refused(node, text, "too large a number")


def _check_call(node: ast.Call, text: str) -> None:
    name = node.func.id if isinstance(node.func, ast.Name) else None
    if name not in FUNCTIONS:
        factor = f"; write {name} * (...) for a product" if name else ""
        raise _refused(node, text, f"only log, exp and sqrt are functions here{factor}")
    if len(node.args) != 1 or node.keywords:
        raise _refused(node, text, f"{name} takes one value in brackets")
    _check(node.args[0], text)


def _refused(node: ast.expr, text: str, remedy: str) -> InputError:
    stripped = text.strip()
    found = ast.get_source_segment(stripped, node) or ""
    column = len(text) - len(text.lstrip()) + len(stripped.encode()[: node.col_offset].decode()) + 1
    return InputError(f"{text}: column {column}, {found!r}: {remedy}")
