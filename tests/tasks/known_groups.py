"""Facts about groups, from the literature and from character theory by hand; none from our code.

Irreps by dimension: r real, c complex, q quaternionic (Frobenius–Schur); "1r 1c*2 3r" is A4.
"""

KNOWN = {
    # cyclic and abelian: the real characters are those of H/H², one for each g with g² = 1
    "Z2": "1r*2",
    "Z3": "1r 1c*2",
    "Z4": "1r*2 1c*2",
    "Z23": "1r 1c*22",
    "Z2×Z2": "1r*4",
    "Z2×Z2×Z2": "1r*8",
    "Z3×Z3": "1r 1c*8",
    "Z4×Z7": "1r*2 1c*26",
    "Z2×Z2×Z9": "1r*4 1c*32",
    "Z6×Z4×Z2": "1r*8 1c*40",
    # dihedral, order 2n: all real
    "D3": "1r*2 2r",
    "D4": "1r*4 2r",
    "D5": "1r*2 2r*2",
    "D6": "1r*4 2r*2",
    "D7": "1r*2 2r*3",
    "D12": "1r*4 2r*5",
    "D15": "1r*2 2r*7",
    "D27": "1r*2 2r*13",
    "D60": "1r*4 2r*29",
    # quaternion and dicyclic: half of the 2-dimensional ones are quaternionic
    "Q8": "1r*4 2q",
    "Q16": "1r*4 2r 2q*2",
    "Q32": "1r*4 2r*3 2q*4",
    "Dic3": "1r*2 1c*2 2r 2q",
    "Dic5": "1r*2 1c*2 2r*2 2q*2",
    "Dic6": "1r*4 2r*2 2q*3",
    # symmetric and alternating
    "S3": "1r*2 2r",
    "S4": "1r*2 2r 3r*2",
    "S5": "1r*2 4r*2 5r*2 6r",
    "S6": "1r*2 5r*4 9r*2 10r*2 16r",
    "A4": "1r 1c*2 3r",
    "A5": "1r 3r*2 4r 5r",
    "A6": "1r 5r*2 8r*2 9r 10r",
    # affine groups of fields
    "AGL(1,4)": "1r 1c*2 3r",
    "AGL(1,5)": "1r*2 1c*2 4r",
    "AGL(1,7)": "1r*2 1c*4 6r",
    "AGL(1,8)": "1r 1c*6 7r",
    "AGL(1,9)": "1r*2 1c*6 8r",
    "AGL(1,11)": "1r*2 1c*8 10r",
    # metacyclic: Frobenius groups, and the groups of order 16 with a cyclic subgroup of order 8
    "Z5⋊Z4": "1r*2 1c*2 4r",
    "Z7⋊Z3": "1r 1c*2 3c*2",
    "Z11⋊Z5": "1r 1c*4 5c*2",
    "Z13⋊Z3": "1r 1c*2 3c*4",
    "Z13⋊Z4": "1r*2 1c*2 4r*3",
    "Z19⋊Z3": "1r 1c*2 3c*6",
    "Z9⋊Z6": "1r*2 1c*4 2r 2c*2 6r",
    "Z3⋊Z4[2]": "1r*2 1c*2 2r 2q",
    "Z8⋊Z2[3]": "1r*4 2r 2c*2",
    "Z8⋊Z2[5]": "1r*4 1c*4 2c*2",
    # Heisenberg
    "Heis2": "1r*4 2r",
    "Heis3": "1r 1c*8 3c*2",
    "Heis5": "1r 1c*24 5c*4",
    # products
    "S3×Z3": "1r*2 1c*4 2r 2c*2",
    "S3×S3": "1r*4 2r*4 4r",
    "D3×Z5": "1r*2 1c*8 2r 2c*4",
    "A4×Z2": "1r*2 1c*4 3r*2",
    "S4×Z2": "1r*4 2r*2 3r*4",
    "S4×Z5": "1r*2 1c*8 2r 2c*4 3r*2 3c*8",
    "Q8×Z2": "1r*8 2q*2",
    "Q8×Z3": "1r*4 1c*8 2q 2c*2",
    "Q8×Q8": "1r*16 2q*8 4r",
    "A5×Z2": "1r*2 3r*4 4r*2 5r*2",
    # by permutations: S3, SL(2,3) on the non-zero vectors of F3², GL(3,2)
    "<(1 2 3),(1 2)>": "1r*2 2r",
    "<(1 4 7)(2 8 5),(1 6 2 3)(4 7 8 5)>": "1r 1c*2 2q 2c*2 3r",
    "<(1 2 3 4 5 6 7),(1 2)(3 6)>": "1r 3c*2 6r 7r 8r",
}

ORDERS = {
    "Z23": 23, "Z4×Z7": 28, "D7": 14, "D12": 24, "Q8": 8, "Q16": 16, "Dic3": 12, "S4": 24,
    "S5": 120, "S6": 720, "A4": 12, "A5": 60, "A6": 360, "AGL(1,5)": 20, "AGL(1,8)": 56,
    "Z7⋊Z3": 21, "Z9⋊Z6": 54, "Z8⋊Z2[3]": 16, "Heis3": 27, "Heis5": 125, "Q8×Q8": 64, "S3×S3": 36,
    "<(1 2 3),(1 2)>": 6, "<(1 4 7)(2 8 5),(1 6 2 3)(4 7 8 5)>": 24,
    "<(1 2 3 4 5 6 7),(1 2)(3 6)>": 168,
}  # fmt: skip

INVOLUTIONS = {
    "Z23": 0, "Z4": 1, "Z2×Z2×Z2": 7, "D7": 7, "D6": 7, "Q8": 1, "Q16": 1, "Dic3": 1, "Dic5": 1,
    "S4": 9, "S5": 25, "A4": 3, "A5": 15, "AGL(1,8)": 7, "AGL(1,5)": 5, "Z7⋊Z3": 0, "Z8⋊Z2[3]": 5,
    "Z8⋊Z2[5]": 3, "Heis2": 5, "Heis3": 0, "S3×S3": 15, "Q8×Q8": 3,
    "<(1 4 7)(2 8 5),(1 6 2 3)(4 7 8 5)>": 1, "<(1 2 3 4 5 6 7),(1 2)(3 6)>": 21,
}  # fmt: skip


def irreps_known(name: str) -> list[tuple[int, str]]:
    """(dimension, type) of every irrep, sorted."""
    found: list[tuple[int, str]] = []
    for part in KNOWN[name].split():
        one, _, count = part.partition("*")
        found += [(int(one[:-1]), one[-1])] * int(count or 1)
    return sorted(found)
