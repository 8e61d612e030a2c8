"""Irreps of large groups are kept on disk, and nothing that happens there does harm."""

from pathlib import Path

import numpy as np
import pytest

from sweeper.tasks import cache
from sweeper.tasks.groups import group_named
from sweeper.tasks.irreps import Irreps

NAME = "Z53⋊Z13"  # order 689


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "sweeper" / "irreps"


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The orders of the groups whose irreps are computed from now on."""
    orders: list[int] = []
    compute = cache.compute_irreps

    def counting(table: np.ndarray) -> Irreps:
        orders.append(len(table))
        return compute(table)

    monkeypatch.setattr(cache, "compute_irreps", counting)
    return orders


def test_irreps_are_computed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    computed = counted(monkeypatch)
    table = group_named(NAME).table
    first, second = cache.irreps_of(table), cache.irreps_of(table)
    assert computed == [689]
    assert np.array_equal(first.characters, second.characters)
    assert first.types == second.types
    assert [path.name for path in folder.iterdir()] == [f"{cache.digest(table)}-1.npz"]


def test_small_groups_are_not_kept(folder: Path) -> None:
    cache.irreps_of(group_named("S5").table)
    assert not folder.exists()


@pytest.mark.parametrize("harm", ["emptied", "cut", "one bit", "other", "no archive"])
def test_a_broken_file_is_made_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    table = group_named(NAME).table
    good = cache.irreps_of(table)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    if harm == "other":
        cache.irreps_of(group_named("Z2×S5×Z2").table)
        path.write_bytes(next(one for one in folder.iterdir() if one != path).read_bytes())
    else:
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        broken = {"emptied": b"", "cut": whole[:middle], "one bit": flipped, "no archive": b"x" * 9}
        path.write_bytes(broken[harm])
    computed = counted(monkeypatch)
    again = cache.irreps_of(table)
    assert computed == [689]
    assert np.array_equal(again.characters, good.characters)
    assert path.stat().st_size == len(whole)


def test_a_folder_that_cannot_be_used_does_not_stop_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(cache.irreps_of(group_named(NAME).table).dims) == len(group_named(NAME).irrep_dims)


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache.cache_folder() == Path("/home/someone/.cache/sweeper/irreps")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert cache.cache_folder() == Path("/home/someone/.cache/sweeper/irreps")
