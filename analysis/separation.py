"""What of the logarithm of a formula is linear in its parameters.

log(C * d**gamma * M * log(M/delta)) is log C + γ log d, linear in log C and γ, and the rest,
log M + log log(M/δ). Least squares over the linear ones is solved exactly for any value of the
others ("variable projection", Golub and Pereyra 1973), which leaves δ alone to be searched for.
"""

import ast
from dataclasses import dataclass

from analysis.formulas import names_in

_MOST_ADDENDS = 64
_ONE = ast.Constant(1.0)


@dataclass(frozen=True)
class Linear:
    """A parameter that enters linearly.

    Attributes:
        column: What it is multiplied by, free of parameters.
        logged: Whether it is its logarithm that enters linearly; then it is positive.
    """

    column: ast.expr
    logged: bool


@dataclass(frozen=True)
class Separated:
    """log f = Σ column · (parameter, or its log) + rest.

    Attributes:
        linear: By parameter.
        rest: Of the parameters that are left, and columns.
    """

    linear: dict[str, Linear]
    rest: ast.expr


def separate(body: ast.expr, parameters: tuple[str, ...]) -> Separated:
    """Separate the logarithm of an expression.

    Args:
        body: As in `Formula.body`; positive wherever it is fitted.
        parameters: The names in it that are not columns.
    """
    addends = [part for term in _log(body, set(parameters)) for part in expanded(term)]
    linear: dict[str, Linear] = {}
    for name in parameters:
        own = [part for part in addends if name in names_in(part)]
        found = [_linear_in(part, name, set(parameters)) for part in own]
        logged = {one.logged for one in found if one}
        if found and all(found) and len(logged) == 1:
            columns = [one.column for one in found if one]
            linear[name] = Linear(_sum(columns), logged.pop())
    rest = [part for part in addends if not set(names_in(part)) & set(linear)]
    return Separated(linear, _sum(rest))


def expanded(node: ast.expr) -> list[ast.expr]:
    """The addends of a sum, products of sums multiplied out."""
    if isinstance(node, ast.UnaryOp):
        inner = expanded(node.operand)
        return [_minus(part) for part in inner] if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, (ast.Add, ast.Sub)):
            right = expanded(node.right)
            subtracts = isinstance(node.op, ast.Sub)
            return expanded(node.left) + [_minus(part) if subtracts else part for part in right]
        if isinstance(node.op, ast.Mult):
            left, right = expanded(node.left), expanded(node.right)
            if len(left) * len(right) <= _MOST_ADDENDS:
                return [_times(a, b) for a in left for b in right]
        if isinstance(node.op, ast.Div):
            return [ast.BinOp(part, ast.Div(), node.right) for part in expanded(node.left)]
    return [node]


def multiplier(node: ast.expr, name: str) -> ast.expr | None:
    """What a factor is multiplied by in a product; None where it is no mere factor of it.

    Args:
        node: A product, such as A / N**alpha.
        name: The factor, such as A; it must not occur in what is returned.
    """
    if isinstance(node, ast.Name) and node.id == name:
        return _ONE
    if isinstance(node, ast.UnaryOp):
        inner = multiplier(node.operand, name)
        return _minus(inner) if inner and isinstance(node.op, ast.USub) else inner
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, (ast.Mult, ast.Div)):
        return None
    here, there = node.left, node.right
    if name in names_in(there):
        if isinstance(node.op, ast.Div) or name in names_in(here):
            return None
        here, there = there, here
    inner = multiplier(here, name)
    return ast.BinOp(inner, node.op, there) if inner else None


def _log(node: ast.expr, parameters: set[str]) -> list[ast.expr]:
    """The addends of log(node)."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd):
        return _log(node.operand, parameters)
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.Mult):
            return _log(node.left, parameters) + _log(node.right, parameters)
        if isinstance(node.op, ast.Div):
            below = [_minus(part) for part in _log(node.right, parameters)]
            return _log(node.left, parameters) + below
        # An exponent to be fitted needs a positive base; (M - 5)**2 must not become 2 log(M - 5).
        if isinstance(node.op, ast.Pow) and parameters & set(names_in(node.right)):
            return [_times(node.right, part) for part in _log(node.left, parameters)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id == "exp":
            return [node.args[0]]
        if node.func.id == "sqrt":
            half = ast.Constant(0.5)
            return [_times(half, part) for part in _log(node.args[0], parameters)]
    return [_logarithm(node)]


def _linear_in(node: ast.expr, name: str, parameters: set[str]) -> Linear | None:
    """One addend as parameter times column, or log parameter times column."""
    stand_in = ast.Name("log " + name)
    replaced = _Replace(name, stand_in).visit(node)
    for body, factor, logged in ((node, name, False), (replaced, stand_in.id, True)):
        column = multiplier(body, factor)
        if column is not None and not parameters & set(names_in(column)):
            return Linear(column, logged)
    return None


class _Replace(ast.NodeTransformer):
    """log(name) by another name, in a copy."""

    def __init__(self, name: str, by: ast.Name) -> None:
        self.name, self.by = name, by

    def visit(self, node: ast.AST) -> ast.expr:
        if isinstance(node, ast.Call) and isinstance(node.args[0], ast.Name):
            same = node.args[0].id == self.name and getattr(node.func, "id", "") == "log"
            return self.by if same else node
        if isinstance(node, ast.BinOp):
            return ast.BinOp(self.visit(node.left), node.op, self.visit(node.right))
        if isinstance(node, ast.UnaryOp):
            return ast.UnaryOp(node.op, self.visit(node.operand))
        assert isinstance(node, ast.expr)
        return node


def _logarithm(node: ast.expr) -> ast.expr:
    return ast.Call(ast.Name("log"), [node], [])


def _times(left: ast.expr, right: ast.expr) -> ast.expr:
    return ast.BinOp(left, ast.Mult(), right)


def _minus(node: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.USub(), node)


def _sum(parts: list[ast.expr]) -> ast.expr:
    total: ast.expr = parts[0] if parts else ast.Constant(0.0)
    for part in parts[1:]:
        total = ast.BinOp(total, ast.Add(), part)
    return total
