"""Formulas, names and numbers as LaTeX has them: known answers, and what TeX would refuse."""

import math

import pytest
from matplotlib.mathtext import MathTextParser

from analysis import built_in_laws
from analysis.latex import formula, group_name, interval, law_name, number, p_value, percent, text


@pytest.mark.parametrize(
    ("written", "latex"),
    [
        ("L = E + A/N**alpha", r"$L = E + \frac{A}{N^{\alpha}}$"),
        ("n = C * d**2 * M * log(M/delta)", r"$n = C \, d^{2} \, M \, \log(\frac{M}{\delta})$"),
        ("n = a - (b - c)", r"$n = a - (b - c)$"),
        ("n = a - b + c", r"$n = a - b + c$"),
        ("n = (a + b) * c", r"$n = (a + b) \, c$"),
        ("n = (a * b)**c", r"$n = (a \, b)^{c}$"),
        ("n = (a / b)**c", r"$n = (\frac{a}{b})^{c}$"),
        ("n = (a**b)**c", r"$n = (a^{b})^{c}$"),
        ("n = -a**2", "$n = -a^{2}$"),
        ("n = (-a)**2", "$n = (-a)^{2}$"),
        ("n = a * -b", r"$n = a \cdot (-b)$"),
        ("n = 2 * 3 / sqrt(x_1)", r"$n = \frac{2 \cdot 3}{\sqrt{x_{1}}}$"),
        ("n = M_star**2 + lr_max", r"$n = {M^{*}}^{2} + \mathrm{lr}_{\mathrm{max}}$"),
        ("n = 1e-9 * exp(x)", r"$n = 1\times 10^{-9} \, \exp(x)$"),
    ],
)
def test_formulas_keep_their_meaning(written: str, latex: str) -> None:
    made = formula(written).replace(r"\left", "").replace(r"\right", "")
    assert made.replace("{(", "(").replace(")}^", ")^") == latex


def test_the_built_in_laws_can_be_typeset() -> None:
    for law in built_in_laws():
        for made in (formula(law.formula.text), law_name(law.name)):
            MathTextParser("path").parse(made)
            assert made.isascii()
            assert r"\textasciicircum" not in made


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        ("M log M", r"$M \log M$"),
        ("n ∝ M", r"$n \propto M$"),
        ("M^(5/3) d^γ", r"$M^{5/3} d^{\gamma}$"),
        ("M²", "$M^{2}$"),
        ("Theorem 4 d^γ", r"Theorem 4 $d^{\gamma}$"),
        ("50% of my_law", r"50\% of my\_law"),
    ],
)
def test_names_of_laws_have_their_symbols_in_math_mode(name: str, latex: str) -> None:
    assert law_name(name) == latex


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        ("Z23", "$Z_{23}$"),
        ("Z4×Z7", r"$Z_{4} \times Z_{7}$"),
        ("Z7⋊Z3", r"$Z_{7} \rtimes Z_{3}$"),
        ("Z2^3", "$Z_{2}^{3}$"),
        ("Dic3", r"$\mathrm{Dic}_{3}$"),
        ("AGL(1,8)", "AGL(1,8)"),
        ("Z8⋊Z2[3]", r"Z8\ensuremath{\rtimes}Z2[3]"),
        ("table:a_b@3fa9", r"table:a\_b@3fa9"),
    ],
)
def test_groups_are_written_as_in_papers(name: str, latex: str) -> None:
    assert group_name(name) == latex


def test_whatever_users_name_is_escaped() -> None:
    assert text(r"a_b & 5% of $x {y} #1 ~ \input{/etc/passwd} ^") == (
        r"a\_b \& 5\% of \$x \{y\} \#1 {\textasciitilde}"
        r" {\textbackslash}input\{/etc/passwd\} {\textasciicircum}"
    )
    assert text("β ≤ ∞") == r"\ensuremath{\beta} \ensuremath{\leq} \ensuremath{\infty}"


def test_numbers_have_a_minus_and_intervals_the_digits_they_deserve() -> None:
    assert number(-84.44, ".1f") == "$-84.4$"
    assert number(1.5e-9) == r"$1.5\times 10^{-9}$"
    assert [number(x) for x in (None, math.nan, math.inf)] == ["--"] * 3
    assert interval(1.2736, 1.2407, 1.3064) == "$1.274$ [$1.241$, $1.306$]"
    assert interval(155.57, 153.93, 157.23) == "$155.6$ [$153.9$, $157.2$]"
    assert interval(479.3, 456.1, 503.8) == "$479$ [$456$, $504$]"
    assert interval(2.0, 2.0, 2.0) == "$2$ [$2$, $2$]"
    assert interval(2.5, math.nan, 3.0) == "$2.5$"
    assert interval(math.nan, 1.0, 3.0) == "--"
    assert (percent(0.01634), percent(None)) == (r"1.6\,\%", "--")
    assert [p_value(p) for p in (0.1929, 4e-4, math.nan)] == ["$0.193$", "$<0.001$", "--"]
