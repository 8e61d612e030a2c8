"""The spec of a sweep as typed data: the one place where its fields are declared."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag
from typing_extensions import TypeAliasType

from sweeper.spec.axes import (
    ActivationName,
    Axes,
    AxisName,
    Count,
    Decay,
    Expression,
    LossName,
    NetworkName,
    Noise,
    NotNegative,
    Operands,
    OptimizerName,
    Positive,
    Schedule,
    Small,
    Split,
    Steps,
    Strict,
    Texts,
    Width,
)  # fmt: skip
from sweeper.spec.probes import Probes, ProbesField
from sweeper.spec.trackers import Trackers


class Task(Strict):
    """What is learned."""

    group: Literal["cyclic"] = Field(
        default="cyclic", description="Of the axis M; cyclic is addition modulo M."
    )
    expression: Expression | None = Field(
        default=None,
        description='What is computed modulo M instead of a sum, such as "x**2 + x*y". Its '
        "operands are its variables, single letters, in alphabetical order.",
    )
    operands: Operands | None = Field(
        default=None,
        description="How many are multiplied in the group, or added modulo M; 2 unless said.",
    )
    split: Split = Field(
        default="uniform",
        description="uniform: training pairs drawn without replacement from all M². balanced: so "
        "that each left and right operand and each target is equally frequent, up to one.",
    )


class Model(Strict):
    """The network."""

    kind: NetworkName = Field(default="two_layer", description="See docs/learners.md.")
    activation: ActivationName = Field(default="square", description="σ.")
    linear_term: float | None = Field(default=None, description="a in σ(x) = x² + ax.")
    output_scale: NotNegative | None = Field(
        default=None, description="Factor of the read-out's first values; 0 is zero-init."
    )
    output_multiplier: Positive | None = Field(default=None, description="Factor of the outputs.")
    ridge: NotNegative | None = Field(
        default=None, description="η > 0 solves V by ridge regression at every step."
    )
    layers: Small | None = Field(default=None, description="Of weights, or a transformer's blocks.")
    heads: Small | None = Field(default=None, description="Of a transformer's attention.")
    causal: bool | None = Field(default=None, description="A transformer's positions look back.")
    embedding_size: Width | None = Field(
        default=None, description="Width of an operand's embedding."
    )
    batch_norm: bool | None = Field(default=None, description="In each layer of a residual net.")


class Training(Strict):
    """How it is trained, where that is no axis, and when a trial has generalized."""

    loss: LossName = Field(
        default="mse", description="mse: squared error of the centred outputs, summed over them."
    )
    optimizer: OptimizerName = Field(default="adam", description="See docs/learners.md.")
    batch_size: Steps | None = Field(default=None, description="Samples of a step; 0 is all.")
    momentum: Noise | None = Field(default=None, description="μ of SGD and Muon.")
    nesterov: bool | None = Field(default=None, description="Whether it is Nesterov's.")
    beta1: Noise | None = Field(default=None, description="β₁ of Adam.")
    beta2: Noise | None = Field(default=None, description="β₂ of Adam.")
    muon_scaling: Literal["original", "none", "match_rms_adamw"] | None = Field(
        default=None, description="Of Muon's steps."
    )
    schedule: Schedule = Field(default="constant", description="Of the learning rate.")
    warmup_steps: Steps | None = Field(
        default=None, description="Over which the learning rate rises linearly."
    )
    decay_every: Count | None = Field(
        default=None, description="Steps after which the schedule multiplies the learning rate."
    )
    decay_factor: Decay | None = Field(default=None, description="By what.")
    eval_every: Count = Field(default=25, description="Steps between two evaluations.")
    target_test_accuracy: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.9, description="Reached at two evaluations in a row: generalized."
    )
    stop_at_target: bool = Field(default=True, description="End a trial when it has generalized.")
    matmul_precision: Literal["float32", "tfloat32", "bfloat16"] = Field(
        default="float32",
        description="Of what enters the matrix products; bfloat16 pays on CPUs with matrix units, "
        "tfloat32 on GPUs. Weights and optimizer stay float32.",
    )
    give_up_after: Count | None = Field(
        default=None,
        description="Stop a trial that has fitted its training pairs once for so many steps its "
        "test loss has not fallen nor its test accuracy risen; by default never.",
    )


class Resources(Strict):
    """What each worker gets. Changes the speed and nothing else."""

    workers: Count | None = Field(
        default=None, description="Workers at most; by default as many as fit."
    )
    cpus_per_worker: Annotated[float, Field(ge=0.01)] = Field(default=1, description="CPU cores.")
    gpus_per_worker: Annotated[float, Field(ge=0)] | Literal["auto"] = Field(
        default=0,
        description="GPUs; a fraction shares one. auto: for each pack the part of a card that its "
        "memory takes.",
    )
    gpu_memory_gb: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="Of a card, for auto; by default what the nodes' cards have."
    )
    pack_size: Count | None = Field(
        default=None, description="Trials in a pack at most; by default from their cost."
    )

    @property
    def on_gpu(self) -> bool:
        """Whether workers are given GPUs."""
        return self.gpus_per_worker == "auto" or self.gpus_per_worker > 0

    @property
    def least_gpus(self) -> float:
        """What a worker asks for at least."""
        return LEAST_SHARE if self.gpus_per_worker == "auto" else self.gpus_per_worker


LEAST_SHARE = 0.05
"""Of a GPU: shares are multiples of it."""


DesignKind = Literal["grid", "boundary", "refine"]


class Design(Strict):
    """How n_train is chosen. The other axes are always combined."""

    kind: DesignKind = Field(
        description="grid: all values of n_train. boundary: search n_c between the smallest and "
        "the largest of them. refine: all of them, then search where trials turn to generalize."
    )
    tolerance: Annotated[float, Field(ge=0.001, le=1)] = Field(
        default=0.05, description="Relative width of the bracket that a search ends with."
    )


def _design_form(value: Any) -> str:  # noqa: ANN401
    return "a mapping" if isinstance(value, dict | Design) else "a name"


ModuleName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Written = TypeAliasType(
    "Written",
    Annotated[
        Annotated[float, Tag("a number")] | Annotated[str, Tag("a text")],
        Discriminator(lambda value: "a text" if isinstance(value, str) else "a number"),
    ],
)
"""A value as it stands on its axis."""

Selection = dict[AxisName, Texts[Written]]


class SweepSpec(Strict):
    """One sweep."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] = Field(
        description="Names the results folder: letters, digits, '.', '_' and '-'."
    )
    description: str = Field(default="", description="For people.")
    task: Task = Field(default_factory=Task)
    axes: Axes = Field(
        description="What is swept. All combinations are run, but for zip and exclude."
    )
    zip: list[Annotated[list[AxisName], Field(min_length=2)]] = Field(
        default_factory=list,
        description="Groups of axes that advance together instead of being multiplied.",
    )
    exclude: list[Annotated[Selection, Field(min_length=1)]] = Field(
        default_factory=list,
        description="Combinations to leave out: those that have one of the given values, as "
        "written on the axis, on every axis named.",
    )
    model: Model = Field(default_factory=Model)
    training: Training = Field(default_factory=Training)
    modules: list[ModuleName] = Field(
        default_factory=list,
        description="Python modules of your own that register learners: files beside the spec, or "
        "on Python's path. Workers import them, which runs what is in them (docs/extending.md).",
    )
    resources: Resources = Field(default_factory=Resources)
    design: Annotated[
        Annotated[DesignKind, Tag("a name")] | Annotated[Design, Tag("a mapping")],
        Discriminator(_design_form),
    ] = Field(default="grid", description="How n_train is chosen: a kind, or {kind, tolerance}.")

    probes: ProbesField = Field(
        default_factory=list,
        description="What is measured inside the networks at evaluations: names of probes, or "
        "{measure: names} with options (docs/probes.md). Changes no trial.",
    )
    reuse: list[Annotated[str, Field(min_length=1)]] = Field(
        default_factory=list,
        description="Results folders, paths or URIs, whose records are taken over where they are "
        "this sweep's trials.",
    )
    trackers: Trackers = Field(
        default_factory=Trackers,
        description="What else shows a run under Ray, pack by pack, such as {tensorboard, mlflow}.",
    )

    @property
    def search(self) -> Design:
        """The design, with its options."""
        return self.design if isinstance(self.design, Design) else Design(kind=self.design)

    @property
    def probing(self) -> Probes | None:
        """The probes, with their options; None where there are none."""
        if isinstance(self.probes, Probes):
            return self.probes
        return Probes(measure=self.probes) if self.probes else None
