"""Every column has its meaning in words."""

import pyarrow as pa
import pytest

from sweeper.store.columns import CURVE_COLUMNS, PROBE_COLUMNS, RECORD_COLUMNS, Column
from sweeper.store.probes import PROBE_SCHEMA
from sweeper.store.records import CURVE_SCHEMA, RECORD_SCHEMA


@pytest.mark.parametrize(
    ("schema", "columns"),
    [
        (RECORD_SCHEMA, RECORD_COLUMNS),
        (CURVE_SCHEMA, CURVE_COLUMNS),
        (PROBE_SCHEMA, PROBE_COLUMNS),
    ],
)
def test_every_column_is_explained_and_no_other(
    schema: pa.Schema, columns: dict[str, Column]
) -> None:
    assert columns.keys() == set(schema.names)
    assert all(column.meaning for column in columns.values())
