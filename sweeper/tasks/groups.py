"""Finite groups by name: the one door to them. How names are written: `sweeper.tasks.notation`."""

from functools import lru_cache

from sweeper.tasks.families import cyclic
from sweeper.tasks.group import MAX_ORDER, Group, GroupError
from sweeper.tasks.notation import parse
from sweeper.tasks.tables import read_table, register, tables_in

__all__ = [
    "MAX_ORDER",
    "Group",
    "GroupError",
    "cyclic",
    "group_named",
    "read_table",
    "register",
    "tables_in",
]


@lru_cache(maxsize=64)
def group_named(name: str) -> Group:
    """The group that a name stands for, such as "Z23", "Z4xZ7", "D12" or "<(1 2 3), (1 2)>".

    All spellings of a name give the group of its canonical name; `group_named(name).name` is how
    to canonicalise one. Cheap: no table is built.

    Raises:
        GroupError: No group has this name, or it is larger than MAX_ORDER; a ValueError. A table's
            name is known only after `read_table` or `register` in the same process.
    """
    group = parse(name)
    return group if group.name == name else group_named(group.name)
