"""What the probes of a trial leave behind: measurements, frames of its neurons, and a summary."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

PROBE_VERSION = 2
READABLE_PROBES = (1, 2)
"""Of shards of probes. Those of version 1 lack the columns of `layers`."""

Probed = dict[str, Any]
"""One row of PROBE_SCHEMA; columns of probes that are off may be left out."""

SUMMARY = [
    pa.field("probes", pa.string(), nullable=False),
    pa.field("probe_s", pa.float64(), nullable=False),
    pa.field("independent_step", pa.int64()),
    pa.field("interactive_step", pa.int64()),
    pa.field("settled_step", pa.int64()),
    pa.field("solution", pa.string()),
]
"""Of the whole training: in the probes and in the records, but for trials probed after the fact."""

_LAST = {
    "irreps_covered": ("irreps_covered", pa.int64()),
    "mean_purity": ("purity", pa.float64()),
    "best_energy_share": ("best_energy_share", pa.float64()),
}
"""Further columns of the records: what a list of the probes ends with."""

RECORD_COLUMNS = [
    *SUMMARY,
    *(pa.field(name, kind) for name, (_, kind) in _LAST.items()),
    pa.field("probe_error", pa.string()),
]
"""Of the records."""

NOT_PROBED: dict[str, Any] = {
    one.name: None if one.nullable else {"probes": "", "probe_s": 0.0}[one.name]
    for one in RECORD_COLUMNS
}
"""These columns where no probe was on."""

_FLOATS, _COUNTS = pa.list_(pa.float32()), pa.list_(pa.int32())
_EACH_FLOAT, _EACH_COUNT = pa.list_(_FLOATS), pa.list_(_COUNTS)

INDICATORS: dict[str, dict[str, pa.DataType]] = {
    "stages": {
        "stage": pa.list_(pa.int8()), "W_norm": _FLOATS, "V_norm": _FLOATS,
        "W_grad_norm": _FLOATS, "V_grad_norm": _FLOATS, "W_change": _FLOATS,
        "gradient_cosine": _FLOATS, "energy_alignment": _FLOATS, "feature_rank": _FLOATS,
    },
    "gradient": {
        "grad_features": _FLOATS, "label_cosine": _FLOATS, "ridge_cosine": _FLOATS,
        "ridge_ratio": _FLOATS, "ridge_distance": _FLOATS, "sample_off_diagonal": _FLOATS,
        "feature_off_diagonal": _FLOATS,
    },
    "energy": {
        "height": _FLOATS, "height_share": _FLOATS, "at_maximum": _FLOATS,
        "best_energy_share": _FLOATS, "height_counts": _EACH_COUNT,
    },
    "irreps": {
        "irreps_covered": _COUNTS, "active_neurons": _COUNTS, "purity": _FLOATS,
        "dominant_share": _FLOATS, "irrep_neurons": _EACH_COUNT,
    },
    "interaction": {"repelled": _FLOATS, "alike_pairs": _COUNTS, "alike_repelled": _FLOATS},
    "layers": {
        "layer_W_norm": _EACH_FLOAT, "layer_W_grad_norm": _EACH_FLOAT,
        "layer_W_change": _EACH_FLOAT, "layer_gradient_cosine": _EACH_FLOAT,
        "layer_energy_alignment": _EACH_FLOAT, "layer_feature_rank": _EACH_FLOAT,
        "layer_grad_features": _EACH_FLOAT, "layer_label_cosine": _EACH_FLOAT,
        "layer_active_neurons": _EACH_COUNT, "layer_operand_share": _EACH_FLOAT,
        "layer_operand_purity": _EACH_FLOAT, "layer_operand_irreps": _EACH_COUNT,
        "layer_target_share": _EACH_FLOAT, "layer_target_purity": _EACH_FLOAT,
        "layer_target_irreps": _EACH_COUNT,
    },
}  # fmt: skip
"""By probe, what it measures: a list with one entry a measurement. docs/dynamics.md has each."""

PROBE_SCHEMA = pa.schema(
    [
        pa.field("fingerprint", pa.string(), nullable=False),
        *SUMMARY,
        pa.field("step", _COUNTS, nullable=False),
        *(pa.field(name, kind) for own in INDICATORS.values() for name, kind in own.items()),
        # R real irreps of the group, the trivial one first
        pa.field("irrep", _COUNTS),
        pa.field("irrep_height", _FLOATS),
        # frames of S neurons
        pa.field("frame_step", _COUNTS),
        pa.field("neuron", _COUNTS),
        pa.field("neuron_size", _EACH_FLOAT),
        pa.field("neuron_height", _EACH_FLOAT),
        pa.field("neuron_share", pa.list_(_EACH_FLOAT)),
        # the matrices that an entry of `layers` has an entry of each
        pa.field("layer", pa.list_(pa.string())),
    ],
    metadata={"sweeper.probes": str(PROBE_VERSION)},
)
"""One row a trial; columns of probes that were off are null."""

LATER_PROBES: dict[str, Any] = dict.fromkeys(["layer", *INDICATORS["layers"]])
"""Columns that version 1 lacks, null where they are."""


def probes_table(probed: Sequence[Probed]) -> pa.Table:
    """Rows of probes, as PROBE_SCHEMA."""
    return pa.Table.from_pylist(list(probed), schema=PROBE_SCHEMA)


def record_columns(
    probed: Probed | None, probe_s: float = 0.0, probe_error: str | None = None
) -> dict[str, Any]:
    """What the record of a trial says of its probes.

    Args:
        probed: What they measured, or None.
        probe_s: Where that is None, the seconds that they took until one raised.
        probe_error: Where one did, the traceback.
    """
    if probed is None:
        return NOT_PROBED | {"probe_s": probe_s, "probe_error": probe_error}
    last = {name: (probed.get(of) or [None])[-1] for name, (of, _) in _LAST.items()}
    return NOT_PROBED | {one.name: probed.get(one.name) for one in SUMMARY} | last
