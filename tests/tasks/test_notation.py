"""One group has one name, however it is spelled; what is no name is told so in one line."""

import contextlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.tasks.atoms import FAMILIES
from sweeper.tasks.groups import group_named
from tests.tasks.known_groups import KNOWN

VALID = (
    "Z4xZ7, Z23, Z7:Z3, D12, Dic3, Q8, S4, A5, AGL(1,8), Heis3, <(1 2 3),(1 2)>, "
    "table:mine@3fa9c1d2e4b5"
)

SPELLINGS = {
    "Z4xZ7": "Z4×Z7",
    "Z4 × Z7": "Z4×Z7",
    "z4*z7": "Z4×Z7",
    "Z4 X Z7": "Z4×Z7",
    " Z23 ": "Z23",
    "z 23": "Z23",
    "Z₂₃": "Z23",
    "Z2^3": "Z2×Z2×Z2",
    "Z2³": "Z2×Z2×Z2",
    "Z5×Z2³": "Z5×Z2×Z2×Z2",
    "Z2x(Z3xZ2)": "Z2×Z3×Z2",
    "(Z2xS3)^2": "Z2×S3×Z2×S3",
    "(Z5)": "Z5",
    "d12": "D12",
    "dic3": "Dic3",
    "Dic2": "Q8",
    "Dic4": "Q16",
    "Dic1": "Dic1",
    "q8": "Q8",
    "agl( 1 , 8 )": "AGL(1,8)",
    "HEIS 3": "Heis3",
    "Z7:Z3": "Z7⋊Z3",
    "Z7 : z3 [2]": "Z7⋊Z3",
    "Z7⋊Z3[9]": "Z7⋊Z3",
    "Z7:Z3[4]": "Z7⋊Z3[4]",
    "Z8:Z2[5]": "Z8⋊Z2[5]",
    "Z7:Z2": "D7",
    "Z8:Z2[7]": "D8",
    "Z7:Z3xZ2": "Z7⋊Z3×Z2",
    "<(1 2 3), (1 2)>": "<(1 2 3),(1 2)>",
    "< (1,2) , (3,1,2) >": "<(1 2 3),(1 2)>",
    "<(1 2)(4 3),(2 1)>": "<(1 2),(1 2)(3 4)>",
    "<(1 2)> x Z2": "<(1 2)>×Z2",
}


@pytest.mark.parametrize(("spelled", "name"), SPELLINGS.items())
def test_spellings_have_one_canonical_name(spelled: str, name: str) -> None:
    assert group_named(spelled).name == name
    assert group_named(spelled) is group_named(name)


@pytest.mark.parametrize("name", KNOWN)
def test_canonical_names_are_names(name: str) -> None:
    assert group_named(name).name == name


ATOMS = st.sampled_from(["Z2", "Z3", "D3", "Q8", "S3", "A4", "Z7:Z3", "Heis2", "<(1 2)>"])


@settings(deadline=None)
@given(st.lists(ATOMS, min_size=1, max_size=2), st.sampled_from(["x", " × ", " X", "*"]))
def test_canonical_names_do_not_move(atoms: list[str], sign: str) -> None:
    group = group_named(sign.join(atoms))
    assert group_named(group.name).name == group.name
    assert group_named(f" ({sign.join(atoms).lower()}) ").name == group.name


def test_each_family_has_an_example_that_it_alone_reads() -> None:
    for family in FAMILIES:
        matching = [one for one in FAMILIES if re.match(one.pattern, family.example, re.IGNORECASE)]
        assert matching == [family]


BAD = {
    "Z0": "found 0 in Z0; should be from 2 to 2,048",
    "Z1": "found 1 in Z1; should be from 2 to 2,048",
    "Z3000": "found 3000 in Z3000; should be from 2 to 2,048",
    "Z" + "9" * 30: f"found {'9' * 30} in Z{'9' * 30}; should be from 2 to 2,048",
    "23": "found '23'; did you mean Z23?",
    "C23": "found 'C23'; did you mean Z23?",
    "Sym(4)": "found 'Sym(4)'; did you mean S4?",
    "Heis(3)": "found 'Heis(3)'; did you mean Heis3?",
    "Dih5xZ2": "found 'Dih5'; did you mean D5?",
    "": f"found the end where a group should be; valid are {VALID}",
    "Z5x": f"found the end where a group should be; valid are {VALID}",
    "Monster": f"found 'Monster'; valid are {VALID}",
    "Z4xZ7y": "found 'y' after 'Z4xZ7'; should be × and another group, or nothing",
    "(Z2xZ3": "found the end where ')' should be",
    "(Z2xZ3]": "found ']' where ')' should be",
    "(" * 500 + "Z7" + ")" * 500: "too many parentheses",
    "Z2^12": "found the power 12; should be from 1 to 11",
    "Z100xZ100": "Z100×Z100 has order 10,000; should be at most 2,048",
    "D2000": "D2000 has order 4,000; should be at most 2,048",
    "D0": "found 0 in D0; should be from 1 to 2,048",
    "Q12": "Q12 is none of Q8, Q16, Q32, …, powers of two from 8 on; did you mean Dic3?",
    "Q10": "Q10 is none of Q8, Q16, Q32, …, powers of two from 8 on",
    "S7": "found S7; should be from S2 to S6, of order 720",
    "A2": "found A2; should be from A3 to A6, of order 360",
    "AGL(1,6)": "AGL(1,6) has no field: 6 is no prime power, 5 and 7 are",
    "AGL(1,47)": "AGL(1,47) has order 2,162; should be at most 2,048",
    "Heis4": "Heis4 has no field: 4 is not prime, 3 and 5 are",
    "Heis1": "Heis1 has no field: 1 is not prime, 2 is",
    "Z7:Z4": "Z4 has no faithful action on Z7; on Z7 act Z2, Z3, Z6",
    "Z2:Z2": "Z2 has no faithful action on Z2; nothing acts on Z2",
    "Z8:Z2": "Z2 acts on Z8 in several ways; say which: Z8:Z2[3], Z8:Z2[5], Z8:Z2[7]",
    "Z7:Z3[3]": "the multiplier 3 to the power 3 is not 1 modulo 7",
    "Z7:Z3[8]": "the multiplier 8 acts trivially; write Z7×Z3",
    "<(1 1)>": "1 stands twice in the generator '(1 1)'",
    "<(1 2)(2 3)>": "2 stands twice in the generator '(1 2)(2 3)'",
    "<(1)>": "<(1)> is trivial; the order of a group should be at least 2",
    "<()>": "found the generator '()'; should be like (1 2 3)(4 5)",
    "<(1 2), 3>": "found the generator '(1 2), 3'; should be like (1 2 3)(4 5)",
    "<(0 1)>": "found the point 0; should be from 1 to 2,048",
    "<(1 2 3 4 5 6 7),(1 2)>": (
        "<(1 2 3 4 5 6 7),(1 2)> has more than 2,048 elements, the limit"
    ),
    "table:mine@000000000000": (
        "no table with the hash 000000000000 was read here; in a spec name it by the "
        "permutations that `sweeper groups --table FILE` prints"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "message"), BAD.items(), ids=[name[:20] for name in BAD])
def test_what_is_no_name_is_told_in_one_line(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^{re.escape(f'unknown group {name!r}: {message}')}$"):
        group_named(name)


@settings(deadline=None)
@given(st.text("Zz0123xX×^()<>:⋊[],DQSA gl", max_size=12))
def test_any_text_is_a_group_or_a_value_error(text: str) -> None:
    order = 2
    with contextlib.suppress(ValueError):
        order = group_named(text).order
    assert 2 <= order <= 2048
