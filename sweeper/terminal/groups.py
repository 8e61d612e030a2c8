"""`sweeper groups`: which groups can be named, and what theory says of one."""

from collections import Counter
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from sweeper.tasks.atoms import FAMILIES
from sweeper.tasks.catalogue import CATALOGUES, Catalogue
from sweeper.tasks.energy import MEASURED_SCALE
from sweeper.tasks.groups import Group, group_named
from sweeper.tasks.permutations import as_permutations
from sweeper.tasks.predictions import critical_pairs, theorem4_pairs
from sweeper.terminal.tables import rich_table

Row = dict[str, Any]

_WRITTEN = (
    "Products are written Z4xZ7 or Z4×Z7, powers Z2^3, with parentheses where needed; case and "
    "spaces do not matter, and ⋊ may be written for the colon."
)


def listing() -> Row:
    """All families and catalogues, as JSON knows them."""
    return {
        "families": [_family(family.title, family.notation, family.order, family.example)
                     for family in FAMILIES]
        + [_family("direct product of any of these", "GxH, G^k", "|G|·|H|", "Z4xZ7")],
        "catalogues": [
            {"name": one.name, "title": one.title, "groups": list(one.groups)}
            for one in CATALOGUES.values()
        ],
    }  # fmt: skip


def _family(title: str, notation: str, order: str, example: str) -> Row:
    group = None if example.startswith("table:") else group_named(example)
    return {
        "family": title,
        "notation": notation,
        "order": order or None,
        "example": example,
        "example_name": group.name if group else None,
        "example_order": group.order if group else None,
        "example_max_irrep_dim": group.max_irrep_dim if group else None,
    }


def print_listing(console: Console) -> None:
    """Print all families and catalogues."""
    found = listing()
    columns = ["notation", "what it is", "order", "example", "its order", "its max d_k"]
    keys = ["notation", "family", "order", "example", "example_order", "example_max_irrep_dim"]
    console.print(rich_table(columns, [[row[key] for key in keys] for row in found["families"]], 4))
    console.print(_WRITTEN, highlight=False)
    rows = [[one["name"], one["title"], len(one["groups"])] for one in found["catalogues"]]
    console.print()
    console.print(rich_table(["--catalogue", "what is in it", "groups"], rows, 2))


def listed(catalogue: Catalogue, delta: float) -> list[Row]:
    """The groups of a catalogue, as JSON knows them; pairs as in `described`."""
    rows = []
    for name in catalogue.groups:
        group = group_named(name)
        M, d = group.order, group.max_irrep_dim
        rows.append(
            {
                "name": name,
                "order": M,
                "max_irrep_dim": d,
                "theorem_4_up_to_a_constant": theorem4_pairs(M, d, delta),
                "papers_code": critical_pairs(M, d),
            }
        )
    return rows


def print_catalogue(catalogue: Catalogue, delta: float, console: Console) -> None:
    """Print the groups of a catalogue."""
    console.print(Text(catalogue.title, "bold"))
    columns = ["group", "M", "max d_k", f"d_k² M log(M/{delta:g}), up to a constant",
               "paper's code", "of M²"]  # fmt: skip
    rows = [
        [*list(row.values())[:3], *map(round, list(row.values())[3:]),
         _share(row["papers_code"], row["order"])]
        for row in listed(catalogue, delta)
    ]  # fmt: skip
    console.print(rich_table(columns, rows, 1))


def described(group: Group, delta: float) -> Row:
    """What theory says of a group, as JSON knows it.

    Args:
        group: The group.
        delta: Failure probability δ of Theorem 4.

    Returns:
        name, order, classes, abelian, max_irrep_dim, effective_dim (the largest M/(8E*)), irreps
        (one row for irreps alike: dimension, type, count, multiplicity in the regular
        representation, effective_dim, energy on the paper's scale and by definition, None for the
        trivial irrep), predicted pairs, and for a table its name in a spec.
    """
    irreps = group.irreps
    M, d, effective = group.order, group.max_irrep_dim, int(irreps.real_dims[1:].max())
    alike = Counter(
        (int(d_k), str(kind), int(real_dim), None if np.isnan(height) else float(height))
        for d_k, kind, real_dim, height in zip(
            irreps.dims, irreps.types, irreps.real_dims, irreps.energies, strict=True
        )
    )
    from_file = group.name.startswith("table:")
    return {
        "name": group.name,
        "name_in_a_spec": as_permutations(group.table) if from_file else group.name,
        "order": M,
        "classes": len(irreps.dims),
        "abelian": d == 1,
        "max_irrep_dim": d,
        "effective_dim": effective,
        "irreps": [
            {
                "dimension": d_k,
                "type": kind,
                "count": count,
                "multiplicity": d_k,
                "effective_dim": real_dim,
                "energy": height,
                "energy_by_definition": None if height is None else MEASURED_SCALE * height,
            }
            for (d_k, kind, real_dim, height), count in alike.items()
        ],
        "delta": delta,
        "predicted_n_train": {
            "theorem_4_up_to_a_constant": theorem4_pairs(M, d, delta),
            "theorem_4_with_effective_dim_up_to_a_constant": theorem4_pairs(M, effective, delta),
            "papers_code": critical_pairs(M, d),
        },
    }


def print_group(group: Group, delta: float, console: Console) -> None:
    """Print what theory says of a group."""
    found = described(group, delta)
    console.print(Text(found["name"], "bold"))
    console.print(
        f"order M = {found['order']:,}, {found['classes']:,} conjugacy classes, "
        f"{'' if found['abelian'] else 'not '}abelian; max d_k = {found['max_irrep_dim']}, "
        f"effective d = {found['effective_dim']}",
        highlight=False,
    )
    if found["name_in_a_spec"] != found["name"]:
        console.print(f"in a spec: {found['name_in_a_spec']}", highlight=False)
    columns = ["irreps", "type", "d_k", "multiplicity", "effective d", "E*", "E* by definition"]
    rows = [
        [row["count"], row["type"], row["dimension"], row["multiplicity"], row["effective_dim"],
         _height(row["energy"]), _height(row["energy_by_definition"])]
        for row in found["irreps"]
    ]  # fmt: skip
    console.print(rich_table(columns, rows, 2))
    console.print(
        "multiplicity: in the regular representation. effective d = M/(8E*): the dimension of the "
        "real irrep. E*: as the paper has it; by definition it is 4 times that.",
        highlight=False,
    )
    pairs = list(found["predicted_n_train"].values())
    titles = [
        f"Theorem 4, max d_k: d² M log(M/{delta:g}), up to a constant",
        "Theorem 4, effective d: the same, up to a constant",
        "paper's code: 2.7482 M log M" + ("" if found["abelian"] else " · max d_k/2"),
    ]
    rows = [
        [title, round(n), _share(n, group.order)] for title, n in zip(titles, pairs, strict=True)
    ]
    console.print()
    console.print(rich_table(["predicted n", "pairs", "of M²"], rows, 1))


def _height(energy: float | None) -> str:
    return "–" if energy is None else f"{energy:.6g}"


def _share(pairs: float, order: int) -> str:
    share = pairs / order**2
    return f"{share:.1%}" if share <= 1 else "more than all"
