"""One point of a sweep, and the fingerprint that names it for ever."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from functools import cached_property
from typing import Any, Self

import numpy as np
import pyarrow as pa

from sweeper.tasks.task import count_tuples

NUMERICS = 2
"""Raised when a change of the engine moves results: trials made before and after then differ."""


@dataclass(frozen=True)
class Trial:
    """One training run, fully described: two equal Trials give the same record.

    A field added later gets a default and is left out of the canonical form where it has it, so
    that the fingerprints of finished work stay valid.

    Attributes:
        group: Name of the group H, such as "Z23"; of an expression modulo 23, "Z23" too.
        group_order: M.
        n_train: n, training pairs out of M², or of more operands tuples.
        split: How they are drawn; "uniform" is without replacement from all pairs, "balanced" has
            every operand and every target equally often.
        split_seed: Names the stream of the split.
        init_seed: Names the stream of the initial weights.
        network: Such as "two_layer"; docs/learners.md lists all.
        hidden_size: K.
        activation: σ, such as "square".
        loss: Such as "mse", the mean over samples of ‖o − ō − (e_y − 1/M)‖².
        optimizer: Such as "adam".
        learning_rate: Step size.
        weight_decay: Coefficient of the L2 term: coupled in Adam and SGD, decoupled in AdamW and on
            Muon's matrices.
        max_steps: The horizon.
        eval_every: Steps between evaluations, after the first, log-spaced ones.
        target_test_accuracy: Reached at two evaluations in a row means generalized.
        stop_at_target: End the trial there.
        matmul_precision: Of what enters the matrix products: "float32", "tfloat32", "bfloat16".
            Weights and optimizer are float32 always; "bfloat16" leaves out evaluations and Muon's
            Newton–Schulz products, which stay in the weights' dtype.
        give_up_after: Steps without progress on the test pairs after which a trial that has fitted
            its training pairs is stopped; 0 is never.
        operands: How many there are; 2 makes pairs.
        expression: What is computed of them modulo M, in canonical form, such as "x**2 + x*y";
            empty for their product in the group.
        label_noise: Share of training labels that are wrong.
        linear_term: a in σ(x) = x² + ax, where the activation is "square".
        output_scale: Multiplies the initial V; 0 is "zero-init".
        output_multiplier: Multiplies the outputs, while training and after.
        ridge: η > 0 solves V by ridge regression at every step; at 0 it is trained.
        batch_size: Samples of a training step; 0 is all.
        momentum: μ of SGD and Muon.
        nesterov: Whether that is Nesterov's.
        beta1: β₁ of Adam, AdamW and of Adam beside Muon.
        beta2: β₂ of the same.
        muon_scaling: Of Muon's steps: "original", "none" or "match_rms_adamw".
        schedule: Of the learning rate: "constant", "step", "exponential" or "cosine".
        warmup_steps: Over which it rises linearly before.
        decay_every: Steps after which the schedules "step" and "exponential" multiply it.
        decay_factor: By what.
        modules: Users' modules that a name above comes from, each as its name, "@" and a hash of
            its text, separated by blanks; empty where all names are built in.
        embedding_size: Width of an operand's embedding; 0 of networks without.
        layers: Layers of weights, read-out included; of a transformer its blocks; 0 of networks
            without the choice.
        heads: Of a transformer's attention; 0 of other networks.
        causal: Whether a position of a transformer attends to none behind it.
        batch_norm: Whether a residual net normalizes each hidden layer over the batch.
    """

    group: str
    group_order: int
    n_train: int
    split: str
    split_seed: int
    init_seed: int
    network: str
    hidden_size: int
    activation: str
    loss: str
    optimizer: str
    learning_rate: float
    weight_decay: float
    max_steps: int
    eval_every: int
    target_test_accuracy: float
    stop_at_target: bool
    matmul_precision: str = "float32"
    give_up_after: int = 0
    operands: int = 2
    expression: str = ""
    label_noise: float = 0.0
    linear_term: float = 0.0
    output_scale: float = 1.0
    output_multiplier: float = 1.0
    ridge: float = 0.0
    batch_size: int = 0
    momentum: float = 0.0
    nesterov: bool = False
    beta1: float = 0.9
    beta2: float = 0.999
    muon_scaling: str = "original"
    schedule: str = "constant"
    warmup_steps: int = 0
    decay_every: int = 1
    decay_factor: float = 1.0
    modules: str = ""
    embedding_size: int = 0
    layers: int = 0
    heads: int = 0
    causal: bool = True
    batch_norm: bool = False

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        """The Trial in one row of a plan or of the records; other columns are ignored.

        A field that was added later has its default where the row has no such column.
        """
        return cls(
            **{
                field.name: row[field.name]
                for field in fields(cls)
                if field.default is MISSING or field.name in row
            }
        )

    @property
    def tuples(self) -> int:
        """Tuples of operands that can be trained or tested on: M² pairs, but for other tasks."""
        return count_tuples(self.group, self.group_order, self.operands, self.expression)

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits: the hash of the canonical form.

        Key order, 1 against 1.0, the sweep's name, the path and the host do not matter; the
        version of the numerics does.
        """
        return _digest(_token(field, getattr(self, field.name)) for field in _canonical_fields())


DEFAULTS = {field.name: field.default for field in fields(Trial) if field.default is not MISSING}
"""What fields that were added later have where nothing is said, and in trials made before."""

_ARROW = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
TRIAL_SCHEMA = pa.schema(
    [pa.field(field.name, _ARROW[field.type], nullable=False) for field in fields(Trial)]  # type: ignore[index]
)
"""The columns that say what a trial is, in a plan as in the records."""


def trials(table: pa.Table) -> list[Trial]:
    """The rows of a plan (or of records) as Trials."""
    names = TRIAL_SCHEMA.names
    columns = [table[name].to_pylist() for name in names]
    return [Trial(*values) for values in zip(*columns, strict=True)]


def planned_trials(plan: pa.Table) -> list[Trial]:
    """The rows of a plan as Trials that know the fingerprints which it tells."""
    some = trials(plan)
    for trial, fingerprint in zip(some, plan["fingerprint"].to_pylist(), strict=True):
        trial.__dict__["fingerprint"] = fingerprint  # where cached_property keeps it
    return some


def fingerprints(
    columns: dict[str, np.ndarray[Any, Any] | str | int | float | bool], block: int = 65_536
) -> Iterator[list[str]]:
    """The fingerprint of every row, as `Trial.fingerprint` gives it, without making a Trial.

    Args:
        columns: For each field of Trial an array of all rows' values, or one value for all.
        block: Rows at a time, for they take ten times their memory while they are made.

    Yields:
        Those of the next rows.
    """
    lengths = {len(value) for value in columns.values() if isinstance(value, np.ndarray)}
    (count,) = lengths or {1}
    for start in range(0, count, block):
        size = min(block, count - start)
        parts: list[Sequence[str]] = []
        for field in _canonical_fields():
            value = columns[field.name]
            if isinstance(value, np.ndarray):
                distinct, inverse = np.unique(value[start : start + size], return_inverse=True)
                tokens = np.array([_token(field, item) for item in distinct.tolist()], dtype=object)
                parts.append(tokens[inverse].tolist())
            elif token := _token(field, value):
                parts.append([token] * size)
        yield [_digest(tokens) for tokens in zip(*parts, strict=True)]


def _canonical_fields() -> list["Field[Any]"]:
    return sorted(fields(Trial), key=lambda field: field.name)


def _token(field: "Field[Any]", value: Any) -> str:  # noqa: ANN401
    """`"name":value` in canonical JSON, or nothing where a later field has its default."""
    if field.default is not MISSING and value == field.default:
        return ""
    value = value + 0.0 if field.type is float else field.type(value)  # type: ignore[operator]
    return f"{json.dumps(field.name)}:{json.dumps(value, allow_nan=False)}"


def _digest(tokens: Iterator[str] | tuple[str, ...]) -> str:
    canonical = ",".join(token for token in (*tokens, f'"numerics":{NUMERICS}') if token)
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()
