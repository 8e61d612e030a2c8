from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.spec import trial as module
from sweeper.spec.trial import TRIAL_SCHEMA, Trial, fingerprints, trials


def test_fingerprint_is_the_same_for_ever(trial: Callable[..., Trial]) -> None:
    assert trial().fingerprint == "9f2b92cff4fdad40ca6c2c95a6303cab"


def test_fingerprint_ignores_how_a_number_is_written(trial: Callable[..., Trial]) -> None:
    assert trial(learning_rate=1).fingerprint == trial(learning_rate=1.0).fingerprint
    assert trial(n=80.0).fingerprint == trial(n=80).fingerprint
    assert trial(weight_decay=-0.0).fingerprint == trial(weight_decay=0.0).fingerprint


@pytest.mark.parametrize("name", TRIAL_SCHEMA.names)
def test_fingerprint_depends_on_every_field(trial: Callable[..., Trial], name: str) -> None:
    value = getattr(trial(), name)
    other = (
        not value
        if isinstance(value, bool)
        else f"{value}x"
        if isinstance(value, str)
        else value + 1
    )
    assert trial(**{name: other}).fingerprint != trial().fingerprint


def test_fingerprint_depends_on_the_numerics(
    trial: Callable[..., Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = trial().fingerprint
    monkeypatch.setattr(module, "NUMERICS", module.NUMERICS + 1)
    assert trial().fingerprint != before


def test_a_field_added_later_keeps_old_fingerprints(
    trial: Callable[..., Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    @dataclass(frozen=True)
    class Later(Trial):
        dropout: float = 0.0

    before = trial().fingerprint
    row = asdict(trial())
    of_later = fields(Later)
    monkeypatch.setattr(module, "fields", lambda _: of_later)
    assert Later(**row).fingerprint == before
    assert Later(**row, dropout=0.1).fingerprint != before


@given(
    n=st.lists(st.integers(1, 10**6), min_size=1, max_size=20),
    rate=st.floats(1e-12, 1e3),
)
def test_columns_and_trials_give_the_same_fingerprints(n: list[int], rate: float) -> None:
    base = Trial(
        "Z9", 9, 1, "uniform", 0, 0, "two_layer", 8, "square", "mse", "adam", rate, 0.0, 10, 5,
        0.9, True,
    )  # fmt: skip
    columns = asdict(base) | {"n_train": np.array(n)}
    wanted = [replace(base, n_train=value).fingerprint for value in n]
    assert list(fingerprints(columns)) == [wanted]
    assert list(fingerprints(columns, block=1)) == [[one] for one in wanted]


def test_trials_survive_arrow(trial: Callable[..., Trial]) -> None:
    some = [trial(), trial(M=23, n=200, seed=3)]
    table = pa.Table.from_pylist([asdict(one) for one in some], schema=TRIAL_SCHEMA)
    assert trials(table) == some
