"""What the probes of a sweep measured, as data frames; docs/dynamics.md has each column."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sweeper.store.absence import existing
from sweeper.store.lookup import find
from sweeper.store.probes import INDICATORS, PROBE_SCHEMA, SUMMARY
from sweeper.store.results import ResultsError, ResultsFolder

Floats = NDArray[np.float64]

STAGES = {1: "lazy", 2: "independent", 3: "interactive", 4: "settled"}
"""Of Li2 the first three; docs/dynamics.md says when each holds."""

_PER_LAYER = list(INDICATORS["layers"])
_NESTED = {"height_counts", "irrep_neurons", "layer", *_PER_LAYER}
_PER_MEASUREMENT = [
    one.name
    for one in PROBE_SCHEMA
    if pa.types.is_list(one.type)
    and one.name not in _NESTED
    and not one.name.startswith(("irrep_height", "frame_", "neuron"))
    and one.name != "irrep"
]


def load_probes(location: str | Path, fingerprints: Sequence[str] | None = None) -> pd.DataFrame:
    """What probes measured, one row a measurement.

    Args:
        location: A results folder: a local path or a `pyarrow.fs` URI.
        fingerprints: Of the wanted runs; by default all that were probed.

    Returns:
        Columns fingerprint and step, ascending within a run, then one an indicator, NaN where its
        probe was off or it is not defined. What has several numbers a measurement
        (`height_counts`, `irrep_neurons`, frames of neurons) stays in the files: `ProbedRun`;
        for what `layers` measured see `load_probed_layers`.

    Raises:
        ResultsError: No run has begun there, or a shard cannot be read; the message names it.
    """
    wanted = None if fingerprints is None else pa.array(fingerprints, pa.string())
    folder = existing(ResultsFolder.at(location))
    table = folder.probes(["fingerprint", *_PER_MEASUREMENT], wanted).combine_chunks()
    counts = pc.list_value_length(table["step"]).to_numpy().astype(int)
    columns: dict[str, Any] = {
        "fingerprint": np.repeat(table["fingerprint"].to_numpy(zero_copy_only=False), counts)
    }
    for name in _PER_MEASUREMENT:
        whole = name == "step"
        columns[name] = np.full(counts.sum(), 0 if whole else np.nan)
        on = table[name].is_valid().to_numpy(zero_copy_only=False)
        values = pc.list_flatten(table[name]).to_numpy(zero_copy_only=False)
        columns[name][np.repeat(on, counts)] = values
    return pd.DataFrame(columns).astype({"step": int})


def load_probed_layers(
    location: str | Path, fingerprints: Sequence[str] | None = None
) -> pd.DataFrame:
    """What the probe `layers` measured, one row a measurement and matrix of weights.

    Args:
        location: A results folder: a local path or a `pyarrow.fs` URI.
        fingerprints: Of the wanted runs; by default all that were probed.

    Returns:
        Columns fingerprint, step, ascending within a run, layer (the matrix's name, in the order
        from the inputs to the outputs), then one an indicator, named as in the files without their
        `layer_`; NaN where it is not defined, as for most of a matrix without neurons. No rows of
        runs for which the probe was off.

    Raises:
        ResultsError: No run has begun there, or a shard cannot be read; the message names it.
    """
    wanted = None if fingerprints is None else pa.array(fingerprints, pa.string())
    names = ["fingerprint", "step", "layer", *_PER_LAYER]
    table = existing(ResultsFolder.at(location)).probes(names, wanted)
    table = table.filter(table["layer"].is_valid()).combine_chunks()
    measured = pc.list_value_length(table["step"]).to_numpy().astype(int)
    matrices = pc.list_value_length(table["layer"]).to_numpy().astype(int)
    marks = table["fingerprint"].to_numpy(zero_copy_only=False)
    step = pc.list_flatten(table["step"]).to_numpy().astype(int)
    own = [
        np.tile(np.array(one, object), many)
        for one, many in zip(table["layer"].to_pylist(), measured, strict=True)
    ]
    columns: dict[str, Any] = {
        "fingerprint": np.repeat(marks, measured * matrices),
        "step": np.repeat(step, np.repeat(matrices, measured)),
        "layer": np.concatenate(own or [np.zeros(0, object)]),
    }
    for name in _PER_LAYER:
        flat = pc.list_flatten(pc.list_flatten(table[name])).to_numpy(zero_copy_only=False)
        columns[name.removeprefix("layer_")] = flat.astype(float)
    return pd.DataFrame(columns)


def load_probe_summaries(location: str | Path) -> pd.DataFrame:
    """What probes found of each run, one row a run, as the records of runs with probes have it.

    Runs probed after they were finished are here, and not in the records.

    Args:
        location: A results folder: a local path or a `pyarrow.fs` URI.

    Returns:
        Columns fingerprint, probes (names), probe_s, independent_step, interactive_step and
        settled_step (Int64, NA where the stage was not seen), solution (JSON), irreps (nontrivial
        real ones that the group has) and irreps_covered, NA where `irreps` was off.

    Raises:
        ResultsError: No run has begun there, or a shard cannot be read; the message names it.
    """
    names = ["fingerprint", *(one.name for one in SUMMARY)]
    table = existing(ResultsFolder.at(location)).probes([*names, "irrep", "irreps_covered"])
    frame: pd.DataFrame = table.select(names).to_pandas()
    irreps, covered = table["irrep"].to_pylist(), table["irreps_covered"].to_pylist()
    frame["irreps"] = pd.array([len(one) - 1 if one else None for one in irreps], "Int64")
    frame["irreps_covered"] = pd.array([one[-1] if one else None for one in covered], "Int64")
    steps = ("independent_step", "interactive_step", "settled_step")
    return frame.astype(dict.fromkeys(steps, "Int64"))


@dataclass(frozen=True)
class ProbedRun:
    """One run with all that its probes measured.

    Attributes:
        record: Its record.
        curve: Its curve, a list for each column.
        probes: Its row of PROBE_SCHEMA; arrays for its lists, NaN for what is not defined.
    """

    record: dict[str, Any]
    curve: dict[str, Any]
    probes: dict[str, Any]

    @property
    def frames(self) -> int:
        """How many frames of its neurons were kept."""
        steps = self.probes["frame_step"]
        return 0 if steps is None else len(steps)


def load_probed_run(location: str | Path, prefix: str) -> ProbedRun:
    """One run, by the first digits of its fingerprint.

    Args:
        location: A results folder: a local path or a `pyarrow.fs` URI.
        prefix: As many digits as name no other run.

    Raises:
        ResultsError: There is none or there are several, it was not probed, or a shard cannot be
            read.
    """
    folder = existing(ResultsFolder.at(location))
    found = find(folder, prefix)
    if found is None:
        raise ResultsError(f"{prefix}: no record in {folder.path} has such a fingerprint")
    record, curve = found
    rows = folder.probes(fingerprints=pa.array([record["fingerprint"]])).to_pylist()
    if not rows:
        raise ResultsError(
            f"{record['fingerprint']} was not probed; `probes` in its spec and "
            "`sweeper run --probe-finished` measure it"
        )
    probes = {name: _array(value) for name, value in rows[0].items()}
    return ProbedRun(record, curve, probes)


def _array(value: Any) -> Any:  # noqa: ANN401
    if not isinstance(value, list):
        return value
    words = bool(value) and isinstance(value[0], str)
    return np.array(value, dtype=str if words else float)
