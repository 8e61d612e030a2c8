"""LaTeX of tables (booktabs), of formulas and of the names that laws and groups have."""

import ast
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pylatexenc.latexencode import UnicodeToLatexEncoder

from analysis.formulas import FUNCTIONS, parse

Row = Mapping[Any, Any]
NONE = "--"
"""A cell without a number."""
_text = UnicodeToLatexEncoder(unknown_char_warning=False).unicode_to_latex
_LETTERS = dict(zip("αβγδεζηθκλμνξπρστφχψω", (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "kappa", "lambda", "mu",
    "nu", "xi", "pi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega",
), strict=True))  # fmt: skip
_MATH = re.compile(r"(?P<base>[nMd])(?:(?P<square>²)|\^\((?P<bracket>[\w/.]+)\)|\^(?P<power>\w+))?")
_GROUP = re.compile(r"(?P<name>[A-Z][a-z]*)(?P<order>\d+)(?:\^(?P<power>\d+))?")


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        header: In LaTeX.
        cell: From a row of the frame to its LaTeX.
        left: Whether it is set flush left.
    """

    header: str
    cell: Callable[[Row], str]
    left: bool = False


def latex_table(frame: pd.DataFrame, columns: Sequence[Column], caption: str, label: str) -> str:
    r"""A `table` with a booktabs `tabular` in it; the document needs \usepackage{booktabs}.

    Args:
        frame: A row of the table each.
        columns: Of the table.
        caption: In LaTeX.
        label: For \ref.
    """
    rows = [[column.cell(row) for column in columns] for row in frame.to_dict("records")]
    shown = pd.DataFrame(rows, columns=[column.header for column in columns])
    sides = "".join("l" if column.left else "r" for column in columns)
    made: str = shown.style.hide(axis="index").to_latex(
        hrules=True,
        column_format=sides,
        caption=caption,
        label=label,
        position="htbp",
        position_float="centering",
    )
    return made


def text(words: object) -> str:
    """Words with everything escaped, and symbols as LaTeX has them."""
    return str(_text(str(words)))


def number(value: float | None, form: str = ".4g") -> str:
    """A number in math mode, so that its minus is one; a dash where there is none."""
    if value is None or pd.isna(value) or not math.isfinite(value):
        return NONE
    mantissa, _, exponent = format(value, form).partition("e")
    return f"${mantissa}$" if not exponent else rf"${mantissa}\times 10^{{{int(exponent)}}}$"


def percent(value: float | None) -> str:
    """A share as percent."""
    return NONE if value is None or pd.isna(value) else rf"{100 * value:.1f}\,\%"


def p_value(value: float | None) -> str:
    """To three decimals, as far as they go."""
    if value is None or pd.isna(value):
        return NONE
    return "$<0.001$" if value < 0.0005 else f"${value:.3f}$"


def interval(value: float, low: float, high: float) -> str:
    """A number and its interval, to two digits of its half-width."""
    if pd.isna(value):
        return NONE
    if not (math.isfinite(low) and math.isfinite(high)):
        return number(value)
    half, form = (high - low) / 2, ".4g"
    if 1e-4 < half < 1e6:
        form = f".{max(0, 1 - math.floor(math.log10(half)))}f"
    return f"{number(value, form)} [{number(low, form)}, {number(high, form)}]"


def symbol(name: str) -> str:
    r"""A name of a formula in math mode, without the dollars: n_star as n^{*}, beta as \beta."""
    base, _, below = name.partition("_")
    roman = rf"\mathrm{{{text(base)}}}" if len(base) > 1 else text(base)
    told = rf"\{base}" if base in _LETTERS.values() else roman
    if not below:
        return told
    below = below.replace("_", " ")
    return rf"{told}^{{*}}" if below == "star" else rf"{told}_{{{symbol(below)}}}"


def formula(written: str) -> str:
    """A formula in math mode, as it was written.

    Args:
        written: As `formulas.parse` reads it.

    Raises:
        InputError: It is no formula.
    """
    read = parse(written)
    return f"${symbol(read.response)} = {_expression(read.body, 0)}$"


def law_name(name: str) -> str:
    """The name of a law, with the words of it that are symbols in math mode."""
    told: list[str] = []
    for word in name.split():
        found = _symbols(word)
        if found and told and told[-1].endswith("$"):
            told[-1] = f"{told[-1][:-1]} {found}$"
        else:
            told.append(f"${found}$" if found else text(word))
    return " ".join(told)


def group_name(name: str) -> str:
    r"""The name of a group: Z4×Z7 as Z_{4} \times Z_{7}; \rtimes needs amssymb."""
    parts = re.split("([×⋊])", name)
    told = []
    for part in parts:
        found = _GROUP.fullmatch(part)
        if part in {"×", "⋊"}:
            told.append(r"\times" if part == "×" else r"\rtimes")
        elif found:
            power = f"^{{{found['power']}}}" if found["power"] else ""
            base = found["name"] if len(found["name"]) == 1 else rf"\mathrm{{{found['name']}}}"
            told.append(f"{base}_{{{found['order']}}}{power}")
        else:
            return text(name)
    return f"${' '.join(told)}$"


def _symbols(word: str) -> str:
    if word in {"log", "∝"}:
        return r"\log" if word == "log" else r"\propto"
    found = _MATH.fullmatch(word)
    if not found:
        return ""
    power = "2" if found["square"] else found["bracket"] or found["power"] or ""
    power = "".join(rf"\{_LETTERS[one]}" if one in _LETTERS else one for one in power)
    return f"{found['base']}^{{{power}}}" if power else found["base"]


_BINDS = {ast.Add: 1, ast.Sub: 1, ast.Mult: 2, ast.Div: 4, ast.Pow: 3}
"""How strongly an operation binds; a fraction needs no brackets but under a power."""


def _expression(node: ast.expr, outside: int) -> str:
    """LaTeX of an expression, in brackets if what is around it binds more strongly."""
    match node:
        case ast.Constant(value=value):
            return number(float(str(value)), "g").strip("$")
        case ast.Name(id=name):
            return symbol(name)
        case ast.Call(func=ast.Name(id=name), args=[inside]) if name in FUNCTIONS:
            if name == "sqrt":
                return rf"\sqrt{{{_expression(inside, 0)}}}"
            return rf"\{name}\left({_expression(inside, 0)}\right)"
        case ast.UnaryOp(operand=inside):
            sign = "-" if isinstance(node.op, ast.USub) else "+"
            told = sign + _expression(inside, 2)
            return rf"\left({told}\right)" if outside > 1 else told
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            told = rf"\frac{{{_expression(left, 0)}}}{{{_expression(right, 0)}}}"
            return rf"\left({told}\right)" if outside > 4 else told
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            base = _expression(left, 5)
            base = f"{{{base}}}" if "^" in base else base  # TeX knows no double superscript
            told = f"{base}^{{{_expression(right, 0)}}}"
            return rf"\left({told}\right)" if outside > 3 else told
        case ast.BinOp(left=left, op=op, right=right):
            binds = _BINDS[type(op)]
            sign = {ast.Add: "+", ast.Sub: "-", ast.Mult: r"\,"}[type(op)]
            # a − (b − c) keeps its brackets; a + b + c and a·b·c need none
            inner = binds + isinstance(op, ast.Sub)
            if isinstance(op, ast.Mult) and isinstance(right, (ast.Constant, ast.UnaryOp)):
                sign = r"\cdot"
            told = f"{_expression(left, binds)} {sign} {_expression(right, inner)}"
            return rf"\left({told}\right)" if outside > binds else told
    raise AssertionError(ast.dump(node))  # formulas.parse lets nothing else through
