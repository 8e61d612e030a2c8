"""How groups are named: one notation for specs, records and figures.

    product := factor { (× | x | *) factor }        factor := (atom | "(" product ")") [ ^ count ]

Atoms are in `sweeper.tasks.atoms`. Case and spaces do not matter, subscripts are digits,
superscripts are powers. A canonical name has × and ⋊, no spaces, powers or parentheses:
"z2^2 x Z9" is "Z2×Z2×Z9". Names with one canonical name have one table; groups that are merely
isomorphic, such as Z2×Z3 and Z6, keep their own names.
"""

import re

from sweeper.tasks import families
from sweeper.tasks.atoms import FAMILIES, check_order, number, unknown
from sweeper.tasks.group import Group, GroupError

_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_MAX_POWER = 11
"""Z2^11 has MAX_ORDER elements."""


def parse(name: str) -> Group:
    """The group of a name, under its canonical name.

    Raises:
        GroupError: The name stands for no group, for a trivial one, or for one beyond MAX_ORDER.
    """
    text = name.translate(_SUBSCRIPTS)
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda run: "^" + run[0].translate(_SUPERSCRIPTS), text)
    try:
        reader = _Reader(text.strip())
        factors = reader.product()
        if reader.rest():
            after = f"after {reader.read()!r}; should be × and another group, or nothing"
            raise GroupError(f"found {reader.rest()!r} {after}")
        group = families.product(factors) if len(factors) > 1 else factors[0]
        check_order(group.name, group.order)
    except GroupError as error:
        raise GroupError(f"unknown group {name!r}: {error}") from None
    except RecursionError:
        raise GroupError(f"unknown group {name!r}: too many parentheses") from None
    return group


class _Reader:
    """Reads a name from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def rest(self) -> str:
        return self._text[self._at :].strip()

    def read(self) -> str:
        return self._text[: self._at].strip()

    def product(self) -> list[Group]:
        """One factor or more; products in parentheses are flattened."""
        found = self._factor()
        while self._take(r"\s*[x×*]\s*"):
            found += self._factor()
        return found

    def _factor(self) -> list[Group]:
        if self._take(r"\s*\(\s*"):
            found = self.product()
            if not self._take(r"\s*\)"):
                found_here = repr(self.rest()) if self.rest() else "the end"
                raise GroupError(f"found {found_here} where ')' should be")
        else:
            found = [self._atom()]
        power = self._take(r"\s*\^\s*(\d+)")
        count = number(power[1]) if power else 1
        if not 1 <= count <= _MAX_POWER:
            raise GroupError(f"found the power {count}; should be from 1 to {_MAX_POWER}")
        return found * count

    def _atom(self) -> Group:
        for family in FAMILIES:
            if match := self._take(family.pattern):
                return family.build(match)
        raise GroupError(unknown(self.rest()))

    def _take(self, pattern: str) -> re.Match[str] | None:
        match = re.compile(pattern, re.IGNORECASE).match(self._text, self._at)
        if match:
            self._at = match.end()
        return match
