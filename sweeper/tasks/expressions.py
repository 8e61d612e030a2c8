"""Polynomials and fractions over the integers modulo M, such as "x**2 + x*y + y**2".

A text is parsed, never run. It may hold whole numbers, variables (single lower-case letters),
+ - * / ** and parentheses; exponents are whole numbers. Its operands are its variables in
alphabetical order, whatever the order in which they appear.
"""

import ast
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

MAX_LENGTH = 200
"""Characters of an expression."""
MAX_EXPONENT = 10_000
"""Larger ones are slips of the pen; by Fermat all above M − 1 repeat for a prime M."""

Numbers = NDArray[np.int64]

_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**",
}  # fmt: skip
_STRENGTH = {"+": 1, "-": 1, "*": 2, "/": 2, "negative": 3, "**": 4}
_ATOM = 5
_ALLOWED = "only whole numbers, variables, + - * / ** and parentheses may stand here"


@dataclass(frozen=True)
class _Node:
    """A number, a variable, or an operator with its operands ("negative" has one)."""

    what: int | str
    parts: tuple["_Node", ...] = ()


@dataclass(frozen=True)
class Expression:
    """A parsed expression.

    Attributes:
        text: The canonical form: the same for all ways to space and to bracket it.
        variables: Its operands' names, in alphabetical order.
        divides: Whether it holds a division, so that M has to be prime.
    """

    text: str
    variables: tuple[str, ...]
    divides: bool
    _root: _Node

    def table(self, modulus: int) -> tuple[Numbers, NDArray[np.bool_]]:
        """Its value at all operands, and where it has one.

        Args:
            modulus: M; prime where the expression divides.

        Returns:
            (M, …, M) int64 with a dimension for each variable, values from 0 to M − 1; and bool of
            that shape, False where a denominator is 0 (the value there is 0).
        """
        shape = (modulus,) * len(self.variables)
        operands = dict(zip(self.variables, np.ogrid[tuple(map(slice, shape))], strict=True))
        values, defined = _evaluate(self._root, operands, modulus)
        defined = np.broadcast_to(defined, shape)
        return np.where(defined, values, 0), defined


@lru_cache(maxsize=1024)
def parse(text: str) -> Expression:
    """Read an expression.

    Raises:
        ValueError: It is none, with what stands in the way.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"longer than {MAX_LENGTH} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError("cannot be read; write it as in x**2 + x*y + y**2") from None
    root = _checked(tree.body)
    names = tuple(sorted(_variables(root)))
    if len(names) < 2:
        found = f"{names[0]} alone" if names else "none"
        raise ValueError(f"should have two variables or more, found {found}")
    canonical = _text(root)
    if len(canonical) > MAX_LENGTH:  # its text has to be read again
        raise ValueError(f"longer than {MAX_LENGTH} characters when it is spaced, as in x**2 + x*y")
    return Expression(canonical, names, _divides(root), root)


def _checked(node: ast.expr) -> _Node:
    """The tree in our own terms; whatever is not listed here is refused."""
    match node:
        case ast.Constant(value=int() as value) if not isinstance(value, bool):
            return _Node(value)
        case ast.Name(id=name):
            if len(name) == 1 and "a" <= name <= "z":
                return _Node(name)
            raise ValueError(f"{name!r} is no variable; these are single letters from a to z")
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _Node("negative", (_checked(operand),))
        case ast.BinOp(left=base, op=ast.Pow(), right=exponent):
            return _Node("**", (_checked(base), _exponent(exponent)))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _Node(_BINARY[type(op)], (_checked(left), _checked(right)))
        case ast.BinOp(op=ast.BitXor()):
            raise ValueError("^ is no operator here; powers are written x**2")
        case ast.Call(func=called):
            raise ValueError(f"calls {ast.unparse(called)}; {_ALLOWED}")
        case ast.Attribute(attr=name):
            raise ValueError(f"asks for an attribute, .{name}; {_ALLOWED}")
    raise ValueError(f"holds {ast.unparse(node)}; {_ALLOWED}")


def _exponent(node: ast.expr) -> _Node:
    match node:
        case ast.Constant(value=int() as value) if not isinstance(value, bool):
            if value <= MAX_EXPONENT:
                return _Node(value)
            raise ValueError(f"an exponent of {value:.4g} is too large; at most {MAX_EXPONENT:,}")
    found = ast.unparse(node)
    raise ValueError(f"an exponent should be a whole number, written out; found {found}")


def _variables(node: _Node) -> set[str]:
    if isinstance(node.what, str) and not node.parts:
        return {node.what}
    return set().union(*(_variables(part) for part in node.parts))


def _divides(node: _Node) -> bool:
    return node.what == "/" or any(_divides(part) for part in node.parts)


def _text(node: _Node) -> str:
    """Python's notation with no bracket too many; our own, so that no Python version moves it."""
    if not node.parts:
        return str(node.what)
    if node.what == "negative":
        return f"-{_within(node.parts[0], _STRENGTH['negative'])}"
    strength = _STRENGTH[str(node.what)]
    left, right = node.parts
    if node.what == "**":  # binds to the right: its base is bracketed unless it is an atom
        return f"{_within(left, _ATOM)}**{_text(right)}"
    blank = " " if strength == 1 else ""
    return f"{_within(left, strength)}{blank}{node.what}{blank}{_within(right, strength + 1)}"


def _within(node: _Node, least: int) -> str:
    """Bracketed unless it binds at least so strongly."""
    strength = _STRENGTH[str(node.what)] if node.parts else _ATOM
    return _text(node) if strength >= least else f"({_text(node)})"


def _evaluate(
    node: _Node, operands: dict[str, Numbers], M: int
) -> tuple[Numbers, NDArray[np.bool_]]:
    """Values from 0 to M − 1, and where they are defined; int64 is exact, for M² is small."""
    if isinstance(node.what, int):
        return np.array(node.what % M), np.array(True)
    if not node.parts:
        return operands[node.what], np.array(True)
    if node.what == "**":
        base, defined = _evaluate(node.parts[0], operands, M)
        return _power(base, int(node.parts[1].what), M), defined
    found = [_evaluate(part, operands, M) for part in node.parts]
    if node.what == "negative":
        ((values, defined),) = found
        return -values % M, defined
    (left, left_defined), (right, right_defined) = found
    defined = left_defined & right_defined
    if node.what == "+":
        return (left + right) % M, defined
    if node.what == "-":
        return (left - right) % M, defined
    if node.what == "*":
        return left * right % M, defined
    return left * _power(right, M - 2, M) % M, defined & (right != 0)  # Fermat: M is prime


def _power(base: Numbers, exponent: int, M: int) -> Numbers:
    """Base to the exponent modulo M, by squaring; 0**0 is 1."""
    result = np.ones_like(base) % M
    while exponent:
        if exponent & 1:
            result = result * base % M
        base = base * base % M
        exponent >>= 1
    return result
