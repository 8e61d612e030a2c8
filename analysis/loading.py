"""Results read as data frames, and what makes runs comparable: their setting."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sweeper.store.absence import existing
from sweeper.store.records import CURVE_SCHEMA, DEFAULTS, FIELDS, RECORD_SCHEMA, usual
from sweeper.store.results import ResultsFolder

_NAMES = RECORD_SCHEMA.names
# RECORD_SCHEMA splices the fields of Trial between these two columns; taking whatever lies there
# makes an axis that is added to Trial later part of the setting, never silently pooled over.
_AXES = _NAMES[_NAMES.index("sweep") + 1 : _NAMES.index("train_fraction")]
_CELL = {"group", "group_order", "n_train", "split_seed", "init_seed"}
HOW_TRAINED = [name for name in [*_AXES, "numerics"] if name not in _CELL]
"""Columns that say how a run was trained, as opposed to on what and from which seeds."""

_WHAT_IS_LEARNED = {
    "operands": "{} operands",
    "expression": "{} mod M",
    "split": "{} split",
    "label_noise": "label noise {}",
}
"""Columns that belong to the setting wherever they differ, and are named where they are no default:
runs of two tasks are never pooled in one law."""
_USUAL = DEFAULTS | {"split": "uniform"}
"""What goes without saying."""
_OPTIONS = {name for name in FIELDS if name in DEFAULTS}
"""Columns of learners that go without saying where they are usual; what is may depend on others."""
_LEARNERS = {"network", "activation", "loss", "optimizer", "modules"}
"""Runs of two of these are never pooled either."""
_SHORT = {"cross_entropy": "ce"}

_FLAGS = {
    "nesterov": ("plain momentum", "Nesterov momentum"),
    "causal": ("attention to all", "causal attention"),
    "batch_norm": ("no batch norm", "batch norm"),
}
_SAID = {"schedule": "{} schedule", "modules": "{}", "embedding_size": "embedding {}"}

_ALWAYS_NAMED = {
    "network": "{}",
    "hidden_size": "K {}",
    "activation": "{}",
    "loss": "{}",
    "optimizer": "{}",
    "learning_rate": "lr {}",
    "weight_decay": "wd {}",
    "max_steps": "horizon {} steps",
}


def load(location: str | Path) -> pd.DataFrame:
    """Every record of a results folder, one row a run.

    Args:
        location: A results folder: a local path or a `pyarrow.fs` URI.

    Returns:
        The columns of RECORD_SCHEMA. Steps that may be missing are Int64, with NA where they are.

    Raises:
        ResultsError: No run has begun there, or a shard cannot be read; the message names it.
    """
    frame: pd.DataFrame = existing(ResultsFolder.at(location)).records().to_pandas()
    return frame.astype({"fit_step": "Int64", "generalization_step": "Int64"})


def load_curves(location: str | Path, fingerprints: Sequence[str] | None = None) -> pd.DataFrame:
    """Learning curves, one row an evaluation.

    Args:
        location: A results folder: a local path or a `pyarrow.fs` URI.
        fingerprints: Of the wanted runs; by default all.

    Returns:
        Columns fingerprint, step, train_loss, test_loss, train_accuracy, test_accuracy; steps
        ascend within a run.

    Raises:
        ResultsError: No run has begun there, or a shard cannot be read; the message names it.
    """
    folder = existing(ResultsFolder.at(location))
    table = (
        folder.curves() if fingerprints is None else _curves_of(folder, fingerprints)
    ).combine_chunks()
    run = pc.list_parent_indices(table["step"])
    measured = [name for name in table.column_names if name != "fingerprint"]
    columns = {"fingerprint": table["fingerprint"].take(run)}
    columns |= {name: pc.list_flatten(table[name]) for name in measured}
    frame: pd.DataFrame = pa.table(columns).to_pandas()
    return frame


def _curves_of(folder: ResultsFolder, fingerprints: Sequence[str]) -> pa.Table:
    """The curves of some runs: shard by shard, for those of all may not fit in memory."""
    wanted = pa.array(fingerprints, pa.string())
    found = [CURVE_SCHEMA.empty_table()]
    for name in folder.shards():
        here = pc.is_in(folder.curves_shard(name, ["fingerprint"])["fingerprint"], wanted)
        if pc.any(here).as_py():
            found.append(folder.curves_shard(name).filter(here))
    return pa.concat_tables(found)


def settings(records: pd.DataFrame) -> list[str]:
    """The columns that tell apart runs of one group: the axes of the sweep's settings.

    A column that changes from group to group but never within one (a hidden size that grows with
    the order) belongs to the group, not to the setting; `setting_labels` reports its range.

    Args:
        records: As `load` gives them.
    """
    differ = _differing(records)
    if not differ:
        return []
    varies = records.groupby("group")[differ].nunique().gt(1).any()
    apart = {*_WHAT_IS_LEARNED, *_LEARNERS}
    return [name for name in differ if varies[name] or name in apart]


def _differing(records: pd.DataFrame) -> list[str]:
    """The columns of HOW_TRAINED that are not the same in all runs."""
    demand(records, [*HOW_TRAINED, *sorted(_CELL)], "records, as `load` gives them")
    return [name for name in HOW_TRAINED if (records[name] != records[name].iloc[:1].max()).any()]


def setting_labels(records: pd.DataFrame) -> "pd.Series[str]":
    """For each run its setting in words; two runs have the same words just if they share a setting.

    The words name the network, the optimizer and the horizon, which every verdict has to carry,
    and each other column that is not the same in all runs, or not what it is by default.

    Args:
        records: As `load` gives them.

    Returns:
        Labels such as "two_layer, K 256–512 with the order, square, mse, adam, lr 0.005, wd 0.0002,
        horizon 4000 steps", with the index of `records`.
    """
    varying = settings(records)
    differ = _differing(records)
    told = [
        name
        for name in HOW_TRAINED
        if name in differ or (name in _USUAL and not _goes_without_saying(name, records))
    ]
    learned = [name for name in _WHAT_IS_LEARNED if name in told]
    others = [name for name in told if name not in _ALWAYS_NAMED and name not in learned]
    number = (
        records.groupby(varying).ngroup().to_numpy() if varying else np.zeros(len(records), int)
    )
    names = [*learned, *_ALWAYS_NAMED, *others]
    words = [
        ", ".join(filter(None, (_words(name, part[name]) for name in names if _tells(name, part))))
        for _, part in records.groupby(number)
    ]
    return pd.Series([words[i] for i in number], index=records.index, dtype="str", name="setting")


def demand(table: object, columns: Sequence[str], what: str) -> None:
    """Refuse what is no table of a kind.

    Args:
        table: A data frame, if all is well.
        columns: That it should have.
        what: It should be.

    Raises:
        ValueError: It lacks some of them.
    """
    if missing := [name for name in columns if name not in getattr(table, "columns", ())]:
        some = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        raise ValueError(f"a {type(table).__name__} without {some} is not {what}")


def _goes_without_saying(name: str, records: pd.DataFrame) -> bool:
    expected = usual(name, dict(records.items())) if name in _OPTIONS else _USUAL[name]
    return bool((records[name] == expected).all())


def _tells(name: str, records: pd.DataFrame) -> bool:
    """Whether a setting names a column: not an option that is what its choice makes it."""
    return name not in _OPTIONS or not _goes_without_saying(name, records)


def common_words(records: pd.DataFrame, without: Collection[str]) -> str:
    """What all runs of a figure have in common, in words; a range where it varies all the same.

    Args:
        records: As `load` gives them.
        without: Columns that the figure shows otherwise.
    """
    shown = [name for name in _ALWAYS_NAMED if name not in without]
    return ", ".join(_words(name, records[name], "") for name in shown)


def _words(name: str, values: "pd.Series[Any]", why: str = " with the order") -> str:
    distinct = sorted(values.unique().tolist())
    text = _SHORT.get(str(distinct[0]), str(distinct[0]))
    if len(distinct) > 1:
        text += f"–{distinct[-1]}{why}"
    if not text:
        return ""
    if text in {"True", "False"} and name in _FLAGS:
        return _FLAGS[name][text == "True"]
    forms = _WHAT_IS_LEARNED | _ALWAYS_NAMED | _SAID
    return forms.get(name, name.replace("_", " ") + " {}").format(text)
