"""Expressions: exact values modulo M against Python's whole numbers, and nothing else let in."""

import itertools
import re
from contextlib import suppress
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.tasks.expressions import MAX_LENGTH, parse
from sweeper.tasks.task import count_tuples, task_label, task_of


@pytest.mark.parametrize(
    ("text", "canonical", "variables"),
    [
        ("x**2+x*y +y**2", "x**2 + x*y + y**2", "xy"),
        ("((b)) - (a)", "b - a", "ab"),
        ("-x*(-y)", "-x*-y", "xy"),
        ("-(x**2) + (-y)**2", "-x**2 + (-y)**2", "xy"),
        ("x - (y - z) - 1_000", "x - (y - z) - 1000", "xyz"),
        ("(x/y)/z", "x/y/z", "xyz"),
        ("x/(y*0x10)", "x/(y*16)", "xy"),
        ("(x**2)**3 + y", "(x**2)**3 + y", "xy"),
        ("  (x + y)*(x - y)", "(x + y)*(x - y)", "xy"),
    ],
)
def test_the_canonical_text_has_no_bracket_and_no_blank_too_many(
    text: str, canonical: str, variables: str
) -> None:
    found = parse(text)
    assert found.text == canonical
    assert found.variables == tuple(variables)
    assert parse(canonical) == found


WHOLE = "only whole numbers, variables, + - * / ** and parentheses may stand here"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sin(x) + y", f"calls sin; {WHOLE}"),
        ("__import__('os').system('x')", f"calls __import__('os').system; {WHOLE}"),
        ("x.real + y", f"asks for an attribute, .real; {WHOLE}"),
        ("x + M", "'M' is no variable; these are single letters from a to z"),
        ("x + foo", "'foo' is no variable; these are single letters from a to z"),
        ("x + é", "'é' is no variable; these are single letters from a to z"),
        ("x**99999999999 + y", "an exponent of 1e+11 is too large; at most 10,000"),
        ("x**y", "an exponent should be a whole number, written out; found y"),
        ("x**-1 + y", "an exponent should be a whole number, written out; found -1"),
        ("x**2**9 + y", "an exponent should be a whole number, written out; found 2 ** 9"),
        ("x^2 + y", "^ is no operator here; powers are written x**2"),
        ("x // y", f"holds x // y; {WHOLE}"),
        ("x % y", f"holds x % y; {WHOLE}"),
        ("x + 0.5*y", f"holds 0.5; {WHOLE}"),
        ("x + True*y", f"holds True; {WHOLE}"),
        ("x if y else z", f"holds x if y else z; {WHOLE}"),
        ("[x, y]", f"holds [x, y]; {WHOLE}"),
        ("x[y]", f"holds x[y]; {WHOLE}"),
        ("lambda: x*y", f"holds lambda: x * y; {WHOLE}"),
        ("(x := y)", f"holds (x := y); {WHOLE}"),
        ("x +", "cannot be read; write it as in x**2 + x*y + y**2"),
        ("", "cannot be read; write it as in x**2 + x*y + y**2"),
        ("x\0y", "cannot be read; write it as in x**2 + x*y + y**2"),
        ("x**2 + 1", "should have two variables or more, found x alone"),
        ("3", "should have two variables or more, found none"),
        ("x+" * MAX_LENGTH + "y", "longer than 200 characters"),
        ("x+" * 60 + "y", "longer than 200 characters when it is spaced, as in x**2 + x*y"),
    ],
)
def test_whatever_is_no_expression_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
        parse(text)


@given(st.text(alphabet="xyz01+-*/() .^%'\"[]\n", max_size=40))
def test_no_text_makes_another_error(text: str) -> None:
    with suppress(ValueError):
        assert parse(parse(text).text).text == parse(text).text


def trees(leaves: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from("+-*"), inner).map(
                lambda t: f"({t[0]}){t[1]}({t[2]})"
            ),
            inner.map(lambda t: f"-({t})"),
            st.tuples(inner, st.integers(0, 7)).map(lambda t: f"({t[0]})**{t[1]}"),
        ),
        max_leaves=6,
    )


@settings(deadline=None, max_examples=60)
@given(text=trees(st.sampled_from("xy") | st.integers(0, 10**6).map(str)), M=st.integers(2, 13))
def test_values_are_those_of_whole_numbers_modulo_m(text: str, M: int) -> None:
    text = f"({text}) + x - x + y - y"
    if len(text) > MAX_LENGTH:
        return
    found = parse(text)
    values, defined = found.table(M)
    assert defined.all()
    assert values.dtype == np.int64
    for x, y in itertools.product(range(M), repeat=2):
        assert values[x, y] == eval(text, {"x": x, "y": y}) % M
        assert values[x, y] == eval(found.text, {"x": x, "y": y}) % M


def test_powers_are_exact_where_floats_and_int64_are_not() -> None:
    values, _ = parse("x**10000 + y*0").table(2039)
    assert values[:, 0].tolist() == [pow(x, 10000, 2039) for x in range(2039)]


@pytest.mark.parametrize("text", ["x/y", "(x + 1)/(x - y)", "1/x/y + 2", "x/y*y"])
def test_division_is_by_the_inverse_and_has_no_value_at_zero(text: str) -> None:
    M = 11
    values, defined = parse(text).table(M)
    for x, y in itertools.product(range(M), repeat=2):
        try:
            exact = eval(text, {"x": Fraction(x), "y": Fraction(y)})
            denominators_vanish = not _denominators_are_units(text, x, y, M)
        except ZeroDivisionError:
            denominators_vanish = True
        assert defined[x, y] == (not denominators_vanish)
        if defined[x, y]:
            exact = Fraction(exact)
            assert values[x, y] == exact.numerator * pow(exact.denominator, -1, M) % M
        else:
            assert values[x, y] == 0


def _denominators_are_units(text: str, x: int, y: int, M: int) -> bool:
    return {
        "x/y": y % M != 0,
        "(x + 1)/(x - y)": (x - y) % M != 0,
        "1/x/y + 2": x % M != 0 and y % M != 0,
        "x/y*y": y % M != 0,
    }[text]


# ------------------------------------------------------------------ tasks made of them


def test_a_task_holds_the_valid_pairs_and_their_targets() -> None:
    task = task_of("Z7", 2, "x/y")
    assert task.tuples == count_tuples("Z7", 7, 2, "x/y") == 42
    a, b = np.divmod(task.valid, 7)
    assert (b != 0).all()
    assert np.array_equal(task.targets[task.valid] * b % 7, a)
    assert task.name == "x/y mod 7" == task_label("Z7", 2, "x/y")


def test_operands_are_the_variables_in_alphabetical_order() -> None:
    task = task_of("Z5", 3, "c - a*b")
    a, b, c = np.unravel_index(np.arange(125), (5, 5, 5))
    assert np.array_equal(task.targets, (c - a * b) % 5)


def test_three_operands_are_multiplied_in_any_group() -> None:
    for name in ("Z5", "S3"):
        task = task_of(name, 3)
        table = task_of(name).targets.reshape(task.order, task.order)
        for i, (a, b, c) in enumerate(itertools.product(range(task.order), repeat=3)):
            assert task.targets[i] == table[a, table[b, c]]
    assert task_label("S3", 3) == "S3^3"
    a, b, c = np.unravel_index(np.arange(125), (5, 5, 5))
    assert np.array_equal(task_of("Z5", 3).targets, (a + b + c) % 5)


def test_chance_is_the_share_of_the_commonest_class() -> None:
    assert task_of("S3").chance == 1 / 6
    assert task_of("Z5", 2, "x*y").chance == 9 / 25


def test_tasks_too_large_or_ill_fitting_are_refused() -> None:
    with pytest.raises(ValueError, match=r"200\^3 tuples of operands; at most 4,194,304"):
        task_of("Z200", 3)
    with pytest.raises(ValueError, match=r"x\*y has 2 variables, not 3"):
        task_of("Z5", 3, "x*y")
