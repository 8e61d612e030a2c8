"""What may be swept, and the ways to write an axis's values."""

import difflib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, Self, TypeAlias, TypeVar

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from typing_extensions import TypeAliasType

from sweeper.spec.learners import CHOICES, EXTENSIBLE
from sweeper.tasks.expressions import parse
from sweeper.tasks.groups import group_named

MAX_LENGTH = 100_000
"""Values on one axis at most: more is a slip of the pen, and would fill the memory."""

MAX_ORDER = 2048
"""Largest M: all M² pairs of each trial have to fit into memory."""


class Strict(BaseModel):
    """Base of all parts of a spec: frozen, unknown keys refused, no silent conversions."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_default=True
    )


def _one_of(*names: str) -> ConfigDict:
    """Has a JSON schema ask for exactly one of some keys, as a model's validator does."""
    given: list[JsonValue] = [
        {"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in names
    ]
    return ConfigDict(json_schema_extra={"oneOf": given})


def _whole(value: Any) -> Any:  # noqa: ANN401
    """1e3 is a whole number too, however YAML reads it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _pairs(value: Any) -> Any:  # noqa: ANN401
    """A number of training pairs; a share of them is another way to write it."""
    if isinstance(value, float) and 0 < value < 1:
        raise ValueError(f"should be a number of pairs; a share of M² is {{fraction: {value:g}}}")
    return _whole(value)


# The constraints stand next to the type, so that the JSON schema has them too.
Order = TypeAliasType("Order", Annotated[int, Field(ge=2, le=MAX_ORDER), BeforeValidator(_whole)])
Count = TypeAliasType("Count", Annotated[int, Field(ge=1, le=10**9), BeforeValidator(_whole)])
Pairs = TypeAliasType("Pairs", Annotated[int, Field(ge=1, le=10**9), BeforeValidator(_pairs)])
Width = TypeAliasType("Width", Annotated[int, Field(ge=1, le=100_000), BeforeValidator(_whole)])
Seed = TypeAliasType("Seed", Annotated[int, Field(ge=0, le=2**53), BeforeValidator(_whole)])
Operands = TypeAliasType("Operands", Annotated[int, Field(ge=2, le=22), BeforeValidator(_whole)])
Steps = TypeAliasType("Steps", Annotated[int, Field(ge=0, le=10**9), BeforeValidator(_whole)])
Small = TypeAliasType("Small", Annotated[int, Field(ge=1, le=1024), BeforeValidator(_whole)])
Length = TypeAliasType(
    "Length", Annotated[int, Field(ge=2, le=MAX_LENGTH), BeforeValidator(_whole)]
)
Positive = TypeAliasType("Positive", Annotated[float, Field(gt=0)])
NotNegative = TypeAliasType("NotNegative", Annotated[float, Field(ge=0)])
Fraction = TypeAliasType("Fraction", Annotated[float, Field(gt=0, lt=1)])
Noise = TypeAliasType("Noise", Annotated[float, Field(ge=0, lt=1)])
Decay = TypeAliasType("Decay", Annotated[float, Field(gt=0, le=1)])


def _group(name: str) -> str:
    """The group's canonical name."""
    group = group_named(name)
    if group.order < 2:
        raise ValueError("a group of a single element leaves nothing to learn")
    return group.name


def _expression(text: str) -> str:
    """The expression in canonical form."""
    return parse(text).text


GroupName = TypeAliasType("GroupName", Annotated[str, AfterValidator(_group)])
Expression = TypeAliasType("Expression", Annotated[str, AfterValidator(_expression)])
Split = TypeAliasType("Split", Literal["uniform", "balanced"])
Schedule = TypeAliasType("Schedule", Literal["constant", "step", "exponential", "cosine"])


def _name_of(kind: str) -> Any:  # noqa: ANN401
    """A learner's name: editors offer the built-in ones, users' modules may have others."""
    known, pattern = list(CHOICES[kind]), "^[A-Za-z][A-Za-z0-9_]{0,99}$"

    def check(name: Any, info: ValidationInfo) -> Any:  # noqa: ANN401
        own = (info.context or {}).get("modules")
        if isinstance(name, str) and name not in known and not own:
            close = difflib.get_close_matches(name.lower(), known, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise ValueError(
                f"{hint}there are {', '.join(known)}, and those of your own under modules"
            )
        return name

    schema = {"anyOf": [{"enum": known}, {"type": "string", "pattern": pattern}]}
    name = Annotated[str, Field(pattern=pattern), BeforeValidator(check), WithJsonSchema(schema)]
    return TypeAliasType(f"{kind.capitalize()}Name", name)


if TYPE_CHECKING:
    NetworkName: TypeAlias = str
    ActivationName: TypeAlias = str
    LossName: TypeAlias = str
    OptimizerName: TypeAlias = str
else:
    NetworkName, ActivationName, LossName, OptimizerName = map(_name_of, EXTENSIBLE)

Value = TypeVar("Value", int, float)


class Range(Strict, Generic[Value]):
    """Evenly spaced values, both ends included: by their count or by the step."""

    model_config = _one_of("count", "step")

    from_: Value = Field(alias="from", description="First value.")
    to: Value = Field(description="Last value.")
    count: Length | None = Field(default=None, description="How many values.")
    step: Positive | None = Field(
        default=None, description="Distance of two values; the last one may fall short of `to`."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.count is None) == (self.step is None):
            raise ValueError("give either count or step")
        if self.to < self.from_:
            raise ValueError(f"to should be at least from ({self.from_:g})")
        if self.step is not None and (self.to - self.from_) / self.step >= MAX_LENGTH:
            raise ValueError(f"more than {MAX_LENGTH:,} values; take a larger step")
        return self

    def numbers(self) -> list[float]:
        """The values, before any rounding."""
        if self.count is not None:
            return list(map(float, np.linspace(self.from_, self.to, self.count)))
        assert self.step is not None
        count = math.floor((self.to - self.from_) / self.step * (1 + 1e-12)) + 1
        return [self.from_ + i * self.step for i in range(count)]


class LogRange(Strict, Generic[Value]):
    """Values at equal ratios, both ends included."""

    log: Annotated[list[Value], Field(min_length=2, max_length=2)] = Field(
        description="First and last value."
    )
    count: Length = Field(description="How many values.")

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if not 0 < self.log[0] <= self.log[1]:
            raise ValueError("log should be two numbers above 0, the smaller one first")
        return self

    def numbers(self) -> list[float]:
        """The values, before any rounding."""
        return list(map(float, np.geomspace(self.log[0], self.log[1], self.count)))


def _form(value: Any) -> str:  # noqa: ANN401
    """Which of the ways to write values this is; the names are the unions' tags."""
    if isinstance(value, LogRange) or (isinstance(value, dict) and "log" in value):
        return "a log range"
    if isinstance(value, dict | Range):
        return "a range"
    return "a list" if isinstance(value, list) else "a value"


Values = TypeAliasType(
    "Values",
    Annotated[
        Annotated[Value, Tag("a value")]
        | Annotated[list[Value], Field(min_length=1, max_length=MAX_LENGTH), Tag("a list")]
        | Annotated[Range[Value], Tag("a range")]
        | Annotated[LogRange[Value], Tag("a log range")],
        Discriminator(_form),
    ],
    type_params=(Value,),
)
"""One value, a list, {from, to, count or step}, or {log: [first, last], count}."""


Text = TypeVar("Text")

Texts = TypeAliasType(
    "Texts",
    Annotated[
        Annotated[Text, Tag("a value")]
        | Annotated[list[Text], Field(min_length=1, max_length=MAX_LENGTH), Tag("a list")],
        Discriminator(lambda value: "a list" if isinstance(value, list) else "a value"),
    ],
    type_params=(Text,),
)
"""One value, or a list."""


class FractionOfPairs(Strict):
    """n_train as a share of the M² pairs, or of what other tasks have in their place."""

    fraction: Values[Fraction] = Field(description="n/M², between 0 and 1.")


class TimesMLogM(Strict):
    """n_train as a multiple of M log M (natural logarithm)."""

    times_m_log_m: Values[Positive] = Field(description="n/(M log M).")


def _n_form(value: Any) -> str:  # noqa: ANN401
    """Which way of n_train this is; a misspelt key still tells."""
    ways = {"times_m_log_m": "multiples of M log M", "fraction": "fractions of M²"}
    if isinstance(value, TimesMLogM | FractionOfPairs):
        value = value.model_dump()
    for key in value if isinstance(value, dict) else ():
        if close := difflib.get_close_matches(str(key), ways, n=1, cutoff=0.7):
            return ways[close[0]]
    return "plain counts"


TrainingPairs = Annotated[
    Annotated[Values[Pairs], Tag("plain counts")]
    | Annotated[FractionOfPairs, Tag("fractions of M²")]
    | Annotated[TimesMLogM, Tag("multiples of M log M")],
    Discriminator(_n_form),
]
"""Counts, or {fraction: values}, or {times_m_log_m: values}."""


def _seeds(count: int) -> list[int]:
    """5 means the five seeds 0, 1, 2, 3, 4."""
    if not 1 <= count <= MAX_LENGTH:
        raise ValueError(f"a number of seeds should be between 1 and {MAX_LENGTH:,}")
    return list(range(count))


SeedCount = TypeAliasType(
    "SeedCount",
    Annotated[
        int,
        BeforeValidator(_whole),
        AfterValidator(_seeds),
        WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_LENGTH}),
    ],
)
Seeds = TypeAliasType(
    "Seeds",
    Annotated[
        Annotated[SeedCount, Tag("a value")]
        | Annotated[list[Seed], Field(min_length=1, max_length=MAX_LENGTH), Tag("a list")]
        | Annotated[Range[Seed], Tag("a range")]
        | Annotated[LogRange[Seed], Tag("a log range")],
        Discriminator(_form),
    ],
)
"""How many seeds (0, 1, …), or a list or range of them."""


def not_one_domain(axes: Mapping[str, Any]) -> str | None:
    """What is wrong with how axes name their groups, if anything is."""
    named = [name for name in ("M", "group") if name in axes]
    if sum(axes[name] is not None for name in named) == 1:
        return None
    return f"{named[0]} has no value" if len(named) == 1 else "give either M or group"


class Axes(Strict):
    """What is swept. Every axis takes one value, a list, a range or a log range.

    All combinations are run, but for axes that `zip` lets advance together and for those that
    `exclude` drops.
    """

    model_config = _one_of("M", "group")

    M: Values[Order] | None = Field(
        default=None, description="The modulus: of addition, or of an expression. Or give group."
    )
    group: Texts[GroupName] | None = Field(
        default=None, description='Finite groups by name, such as S4, D6 or "Z4xZ7". Or give M.'
    )
    expression: Texts[Expression] | None = Field(
        default=None, description="Expressions modulo M, where there are several; see task."
    )
    split: Texts[Split] | None = Field(
        default=None, description="Ways to draw the training pairs, where there are several."
    )
    n_train: TrainingPairs = Field(description="Training pairs, out of M².")
    hidden_size: Values[Width] = Field(description="K, the width of the hidden layer.")
    learning_rate: Values[Positive] = Field(description="The optimizer's step size.")
    weight_decay: Values[NotNegative] = Field(description="The optimizer's L2 coefficient.")
    max_steps: Values[Count] = Field(description="The horizon: steps after which a trial ends.")
    label_noise: Values[Noise] = Field(
        default=0.0, description="Share of training labels that are replaced by a wrong one."
    )
    network: Texts[NetworkName] | None = Field(
        default=None, description="Where there are several; else model.kind."
    )
    activation: Texts[ActivationName] | None = Field(
        default=None, description="σ, where there are several; else model.activation."
    )
    loss: Texts[LossName] | None = Field(
        default=None, description="Where there are several; else training.loss."
    )
    optimizer: Texts[OptimizerName] | None = Field(
        default=None, description="Where there are several; else training.optimizer."
    )
    schedule: Texts[Schedule] | None = Field(
        default=None, description="Of the learning rate, where there are several."
    )
    linear_term: Values[float] | None = Field(default=None, description="a in σ(x) = x² + ax.")
    output_scale: Values[NotNegative] | None = Field(
        default=None, description="Factor of the read-out's first values; 0 is zero-init."
    )
    output_multiplier: Values[Positive] | None = Field(
        default=None, description="Factor of the outputs."
    )
    ridge: Values[NotNegative] | None = Field(
        default=None, description="η > 0 solves V by ridge regression at every step."
    )
    layers: Values[Small] | None = Field(default=None, description="Of weights, or blocks.")
    heads: Values[Small] | None = Field(default=None, description="Of a transformer's attention.")
    embedding_size: Values[Width] | None = Field(
        default=None, description="Width of an operand's embedding."
    )
    batch_size: Values[Steps] | None = Field(
        default=None, description="Samples of a training step; 0 is all."
    )
    momentum: Values[Noise] | None = Field(default=None, description="μ of SGD and Muon.")
    warmup_steps: Values[Steps] | None = Field(
        default=None, description="Over which the learning rate rises linearly."
    )
    decay_every: Values[Count] | None = Field(
        default=None, description="Steps after which a schedule multiplies the learning rate."
    )
    decay_factor: Values[Decay] | None = Field(default=None, description="By what.")
    seed: Seeds | None = Field(
        default=None, description="Sets split_seed and init_seed together; 1 seed unless said."
    )
    split_seed: Seeds | None = Field(default=None, description="Draws the training pairs.")
    init_seed: Seeds | None = Field(default=None, description="Draws the initial weights.")

    @model_validator(mode="after")
    def _one_domain(self) -> Self:
        if reason := not_one_domain({name: getattr(self, name) for name in self.model_fields_set}):
            raise ValueError(reason)
        return self

    @model_validator(mode="after")
    def _one_way_to_seed(self) -> Self:
        if self.seed is not None and (self.split_seed is not None or self.init_seed is not None):
            raise ValueError("give either seed, or split_seed and init_seed")
        return self


def values(axis: Any, whole: bool) -> list[float] | list[int]:  # noqa: ANN401
    """The values of an axis in the order written, rounded to whole numbers if asked."""
    if isinstance(axis, FractionOfPairs | TimesMLogM):
        axis = axis.fraction if isinstance(axis, FractionOfPairs) else axis.times_m_log_m
        whole = False
    if isinstance(axis, Range | LogRange):
        axis = axis.numbers()
        if not whole:
            # 0.1 + 0.1 + 0.1 is 0.3 to a person, and to a fingerprint, on every machine
            axis = [float(f"{value:.12g}") for value in axis]
    listed = axis if isinstance(axis, list) else [axis]
    return [round(value) for value in listed] if whole else [float(value) for value in listed]


AxisName = Literal[
    "M", "group", "expression", "split", "n_train", "hidden_size", "learning_rate",
    "weight_decay", "max_steps", "label_noise", "network", "activation", "loss", "optimizer",
    "schedule", "linear_term", "output_scale", "output_multiplier", "ridge", "layers", "heads",
    "embedding_size", "batch_size", "momentum", "warmup_steps", "decay_every", "decay_factor",
    "seed", "split_seed", "init_seed",
]  # fmt: skip

TASK_TEXTS = ("group", "expression", "split")
TEXT_AXES = (*TASK_TEXTS, "network", "activation", "loss", "optimizer", "schedule")
"""Those whose values are no numbers; the first say what is learned."""
