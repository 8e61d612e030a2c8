"""Which probes measure a sweep, as a spec names them, and the one table of what each can measure.

`sweeper.spec.planned_probes` checks specs against the table, and docs/probes.md is made from it
(`python -m sweeper.spec.probes_page`).
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from sweeper.spec.axes import Count, Decay, Fraction, NotNegative, Steps, Strict, Width

ProbeName = Literal["stages", "gradient", "energy", "irreps", "interaction", "layers", "algebra"]


@dataclass(frozen=True)
class Need:
    """What trials have to be for a probe to measure them.

    Attributes:
        field: A field of Trial.
        allowed: Its values that can be measured.
        words: These, in words.
        because: Why no others.
    """

    field: str
    allowed: tuple[Any, ...]
    words: str
    because: str


@dataclass(frozen=True)
class Probe:
    """One probe.

    Attributes:
        measures: What, in a few words.
        needs: Of the trials.
        undefined: Where it finds nothing to say, and leaves its columns null.
    """

    measures: str
    needs: tuple[Need, ...]
    undefined: str = ""


_PAIRS = Need("operands", (2,), "2 operands", "W has the rows of a pair")
_TRAINED_V = Need("ridge", (0.0,), "ridge 0", "a solved V is no weight that moves")
_TWO_LAYER_NET = (
    Need("network", ("two_layer",), "network two_layer", "W and V are those of the theory's net"),
    Need("activation", ("square",), "activation square", "the formulas are those of σ(x) = x²"),
    Need("linear_term", (0.0,), "linear_term 0", "x² + ax is not of degree two"),
    Need("loss", ("mse",), "loss mse", "the theory's objective is the squared error"),
    _PAIRS,
    _TRAINED_V,
    Need("output_multiplier", (1.0,), "output_multiplier 1", "V alone makes the outputs"),
)
_IN_A_GROUP = Need(
    "expression", ("",), "no expression", "irreps are those of the product in a group"
)
_GROUP_TASK = (*_TWO_LAYER_NET, _IN_A_GROUP)
_LAYERED_NETS = ("two_layer", "two_layer_embedded", "embedding", "residual")
_LAYERS_OF_A_GROUP_TASK = (
    Need(
        "network",
        _LAYERED_NETS,
        f"network {', '.join(_LAYERED_NETS[:-1])} or {_LAYERED_NETS[-1]}",
        "no other tells its hidden layers",
    ),
    Need("batch_norm", (False,), "no batch norm", "it mixes the samples"),
    _PAIRS,
    _TRAINED_V,
    _IN_A_GROUP,
)
_NO_RIDGE = "without weight decay; under adamw or an optimizer of one's own"

PROBES: dict[ProbeName, Probe] = {
    "stages": Probe(
        "norms, how far W moves, energy alignment, feature rank, and the stage they tell",
        _TWO_LAYER_NET,
    ),
    "gradient": Probe(
        "G_F, and what ridge regression and Lemma 1 say of it",
        _TWO_LAYER_NET,
        f"the comparison with ridge regression: {_NO_RIDGE}",
    ),
    "energy": Probe("the neurons' energies, against the maxima of Theorem 2", _GROUP_TASK),
    "irreps": Probe("which irreps the neurons have learned, and how purely", _GROUP_TASK),
    "interaction": Probe(
        "which neurons repel each other (Theorem 6)", _TWO_LAYER_NET, f"all of it: {_NO_RIDGE}"
    ),
    "layers": Probe(
        "layer by layer: norms, energy alignment, what is sent back, what depends on operands and "
        "on the target",
        _LAYERS_OF_A_GROUP_TASK,
        "norms and changes apart, all of matrices that have no neurons: embeddings, the read-out",
    ),
    "algebra": Probe(
        "order and factors of the learned solution at each frequency (CoGO), of the last weights",
        _GROUP_TASK,
        "all of it: groups that are not abelian; trials that diverged",
    ),
}


class StageThresholds(Strict):
    """Where one stage ends and the next begins; what is not given is as docs/dynamics.md has it."""

    fit_accuracy: Decay | None = Field(
        default=None, description="Training accuracy from which the output layer has fitted."
    )
    alignment: Annotated[float, Field(ge=-1, le=1)] | None = Field(
        default=None, description="Energy alignment from which neurons climb their own energies."
    )
    rank_fall: Fraction | None = Field(
        default=None, description="Share of the largest feature rank lost when neurons interact."
    )
    accuracy: Decay | None = Field(
        default=None, description="Test accuracy from which no feature is missing."
    )
    change: NotNegative | None = Field(
        default=None, description="W_change below which W does not move."
    )

    @property
    def given(self) -> dict[str, float]:
        """Those that are given."""
        return self.model_dump(exclude_none=True)


def _once(names: list[ProbeName]) -> list[ProbeName]:
    if twice := [name for i, name in enumerate(names) if name in names[:i]]:
        raise ValueError(f"{twice[0]} stands twice")
    return names


_Names = Annotated[
    list[ProbeName], AfterValidator(_once), Field(json_schema_extra={"uniqueItems": True})
]


class Probes(Strict):
    """What is measured inside the networks while they train. Changes no trial."""

    measure: Annotated[_Names, Field(min_length=1)] = Field(
        description="Names of probes: docs/probes.md."
    )
    every: Count = Field(
        default=4,
        description="Evaluations from one measurement to the next; the first, log-spaced ones and "
        "a trial's last are measured always.",
    )
    neurons_to_cover: Width = Field(
        default=1, description="Neurons that an irrep needs to count as covered."
    )
    frames: Steps = Field(
        default=8,
        description="Measurements at most, beside the last, of which the neurons are kept one by "
        "one; 0 keeps none.",
    )
    neurons: Width = Field(
        default=64, description="Neurons at most that these keep: those largest in the end."
    )
    thresholds: StageThresholds = Field(
        default_factory=StageThresholds, description="Of the stages."
    )


def _form(value: Any) -> str:  # noqa: ANN401
    return "probes with options" if isinstance(value, dict | Probes) else "a list of probes"


ProbesField = Annotated[
    Annotated[_Names, Tag("a list of probes")] | Annotated[Probes, Tag("probes with options")],
    Discriminator(_form),
]
"""A list of names, or a mapping with options."""
