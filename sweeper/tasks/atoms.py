"""The groups that have a name of their own, and how that is written."""

import difflib
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass

from sweeper.tasks import families
from sweeper.tasks.fields import prime_power
from sweeper.tasks.group import MAX_ORDER, Group, GroupError
from sweeper.tasks.permutations import cycle_notation, read_generators
from sweeper.tasks.tables import REFERENCE, registered


@dataclass(frozen=True)
class Family:
    """Groups that are named alike.

    Attributes:
        title: What they are.
        notation: How they are written.
        order: Their order, in the notation's letters.
        example: A name.
        pattern: A regular expression that matches such a name, spaces and all.
        build: From the match to the group; raises GroupError with what is wrong.
    """

    title: str
    notation: str
    order: str
    example: str
    pattern: str
    build: Callable[[re.Match[str]], Group]


def number(digits: str) -> int:
    """A number from a name; what has more than nine digits is too large for anything."""
    return int(digits) if len(digits) <= 9 else 10**9


def check_order(name: str, order: int) -> None:
    """Refuse the trivial group, and what cannot be swept.

    Raises:
        GroupError: The order is not between 2 and MAX_ORDER.
    """
    if order < 2:
        raise GroupError(f"{name} is trivial; the order of a group should be at least 2")
    if order > MAX_ORDER:
        raise GroupError(f"{name} has order {order:,}; should be at most {MAX_ORDER:,}")


def unknown(text: str) -> str:
    """What is wrong with a text that no family takes; the nearest names, if any are near."""
    if not text:
        return "found the end where a group should be; valid are " + _examples()
    word = re.split(r"[x×*]", text)[0].strip() or text
    near = ""
    if parts := re.fullmatch(r"([A-Za-z_/]*)[\s_({]*(\d+)[)}]*", word):
        letters = parts[1].lower().strip("_/")
        close = difflib.get_close_matches(letters, _ALIASES, n=1, cutoff=0.6)
        if letters == "" or close:
            near = f"; did you mean {_ALIASES[close[0] if letters else 'z']}{parts[2]}?"
    return f"found {word!r}{near or '; valid are ' + _examples()}"


_ALIASES = {
    "z": "Z", "c": "Z", "cyclic": "Z", "zmod": "Z", "d": "D", "dih": "D", "dihedral": "D",
    "dic": "Dic", "dicyclic": "Dic", "q": "Q", "quat": "Q", "quaternion": "Q", "s": "S",
    "sym": "S", "symmetric": "S", "a": "A", "alt": "A", "alternating": "A", "heis": "Heis",
    "heisenberg": "Heis",
}  # fmt: skip


def _examples() -> str:
    return ", ".join(["Z4xZ7", *(family.example for family in FAMILIES)])


def _with(build: Callable[[int], Group], least: int = 1) -> Callable[[re.Match[str]], Group]:
    """A family with one number, of which `least` is the smallest."""

    def built(match: re.Match[str]) -> Group:
        group = build(_in_range(match, 1, least))
        check_order(group.name, group.order)
        return group

    return built


def _in_range(match: re.Match[str], part: int, least: int) -> int:
    found = number(match[part])
    if not least <= found <= MAX_ORDER:
        text = "".join(match[0].split())
        raise GroupError(f"found {match[part]} in {text}; should be from {least} to {MAX_ORDER:,}")
    return found


def _quaternion(order: int) -> Group:
    if order < 8 or order & (order - 1):
        near = f"; did you mean Dic{order // 4}?" if order % 4 == 0 and order > 4 else ""
        raise GroupError(f"Q{order} is none of Q8, Q16, Q32, …, powers of two from 8 on{near}")
    return families.dicyclic(order // 4)


def _symmetric(n: int) -> Group:
    if not 2 <= n <= 6:
        raise GroupError(f"found S{n}; should be from S2 to S6, of order 720")
    return families.symmetric(n)


def _alternating(n: int) -> Group:
    if not 3 <= n <= 6:
        raise GroupError(f"found A{n}; should be from A3 to A6, of order 360")
    return families.alternating(n)


def _affine(q: int) -> Group:
    if not _is_prime_power(q):
        raise GroupError(
            f"AGL(1,{q}) has no field: {q} is no prime power, {_near(q, _is_prime_power)}"
        )
    return families.affine(q)


def _heisenberg(p: int) -> Group:
    if not _is_prime(p):
        raise GroupError(f"Heis{p} has no field: {p} is not prime, {_near(p, _is_prime)}")
    return families.heisenberg(p)


def _is_prime_power(q: int) -> bool:
    try:
        return bool(prime_power(q))
    except ValueError:
        return False


def _is_prime(p: int) -> bool:
    return _is_prime_power(p) and prime_power(p)[1] == 1


def _near(n: int, fits: Callable[[int], bool]) -> str:
    below = next((m for m in range(n - 1, 1, -1) if fits(m)), None)
    above = next(m for m in itertools.count(n + 1) if fits(m))
    return f"{below} and {above} are" if below else f"{above} is"


def _metacyclic(match: re.Match[str]) -> Group:
    m, k = _in_range(match, 1, 2), _in_range(match, 2, 2)
    check_order(f"Z{m}⋊Z{k}", m * k)
    # Multipliers that generate one subgroup of the units differ by an automorphism of Z_k.
    actions: dict[frozenset[int], int] = {}
    for one in families.multipliers(m, k):
        actions.setdefault(frozenset(pow(one, i, m) for i in range(k)), one)
    unique = next(iter(actions.values())) if len(actions) == 1 else None
    r = number(match[3]) % m if match[3] else unique
    if r is None and not actions:
        raise GroupError(f"Z{k} has no faithful action on Z{m}; {_acting(m)}")
    if r is None:
        ways = ", ".join(f"Z{m}:Z{k}[{one}]" for one in sorted(actions.values()))
        raise GroupError(f"Z{k} acts on Z{m} in several ways; say which: {ways}")
    if pow(r, k, m) != 1:
        raise GroupError(f"the multiplier {r} to the power {k} is not 1 modulo {m}")
    if r == 1:
        raise GroupError(f"the multiplier {match[3]} acts trivially; write Z{m}×Z{k}")
    if (k, r) == (2, m - 1):
        return families.dihedral(m)
    return families.metacyclic(m, k, r, f"Z{m}⋊Z{k}" + ("" if r == unique else f"[{r}]"))


def _acting(m: int) -> str:
    orders = [k for k in range(2, m) if families.multipliers(m, k)]
    if not orders:
        return f"nothing acts on Z{m}"
    return f"on Z{m} act " + ", ".join(f"Z{k}" for k in orders)


def _permutations(match: re.Match[str]) -> Group:
    generators = read_generators(match[1], MAX_ORDER)
    name = "<" + ",".join(map(cycle_notation, generators)) + ">"
    try:
        group = families.permutation_group(generators, name, MAX_ORDER)
    except OverflowError as error:
        raise GroupError(f"{name} has {error}, the limit") from None
    check_order(name, group.order)
    return group


_N = r"\s*(\d+)"

FAMILIES = (
    Family(
        "addition modulo n", "Zn", "n", "Z23", rf"Z{_N}(?![\d\s]*[:⋊])",
        _with(families.cyclic, least=2),
    ),
    Family(
        "metacyclic; the generator of Zk multiplies Zm by r, which may be left out "
        "where there is one faithful action only", "Zm:Zk, Zm:Zk[r]", "m·k", "Z7:Z3",
        rf"Z{_N}\s*[:⋊]\s*Z{_N}\s*(?:\[{_N}\s*\])?", _metacyclic,
    ),
    Family("dihedral, of the n-gon", "Dn", "2n", "D12", rf"D{_N}", _with(families.dihedral)),
    Family("dicyclic", "Dicn", "4n", "Dic3", rf"Dic{_N}", _with(families.dicyclic)),
    Family("quaternion, n a power of two", "Qn", "n", "Q8", rf"Q{_N}", _with(_quaternion)),
    Family("symmetric", "Sn", "n!", "S4", rf"S{_N}", _with(_symmetric)),
    Family("alternating", "An", "n!/2", "A5", rf"A{_N}", _with(_alternating)),
    Family(
        "affine maps of the field with q elements", "AGL(1,q)", "q(q−1)", "AGL(1,8)",
        rf"AGL\s*\(\s*1\s*,{_N}\s*\)", _with(_affine),
    ),
    Family(
        "Heisenberg: 3 × 3 unitriangular matrices over Zp", "Heisp", "p³", "Heis3",
        rf"Heis{_N}", _with(_heisenberg),
    ),
    Family(
        "generated by permutations of 1, 2, …", "<generators>", "", "<(1 2 3),(1 2)>",
        r"<([^<>]*)>", _permutations,
    ),
    Family(
        "from a file, read with --table", "table:label@hash", "", "table:mine@3fa9c1d2e4b5",
        REFERENCE, lambda match: registered(match[1], match[2].lower()),
    ),
)  # fmt: skip
"""At most one of them takes a text."""
