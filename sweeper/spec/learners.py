"""The one table of learners: their names, what belongs to what, and what cannot be combined.

`sweeper.spec.planned_learners` checks specs against it, docs/learners.md is made from it
(`python -m sweeper.spec.learners_page`). Names that are not in it are those of users' modules,
of which it knows nothing and forbids nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweeper.spec.trial import DEFAULTS

Mask = NDArray[np.bool_]
Values = Mapping[Any, Any]
"""For each field of the table one value for all trials, or an array of one a trial."""

CHOICES: dict[str, dict[str, str]] = {
    "network": {
        "two_layer": "o = σ(W[a] + W[M+b]) V, without biases: the net of the theory",
        "two_layer_embedded": "two_layer on trained embeddings in place of one-hot vectors",
        "embedding": "o = σ([E[a], E[b]] W + c) V + d, one trained table E for all operands",
        "product": "o = (E[a] ⊙ E[M+b]) V: the product of the operands' embeddings",
        "complex": "o = Re(z² V), z = W[a] + W[M+b], W and V complex",
        "residual": "two_layer with more hidden layers, h + σ(h W); batch norm if asked for",
        "transformer": 'blocks of attention and a hidden layer over a, b, "="; no layer norm',
    },
    "activation": {
        "square": "x², or with linear_term x² + ax",
        "relu": "max(x, 0)",
        "relu_square": "max(x, 0)²",
        "silu": "x/(1 + e^(−x))",
        "gelu": "xΦ(x), Φ the normal distribution function",
    },
    "loss": {
        "mse": "‖o − ō − (e_y − 1/M)‖², summed over the M outputs",
        "cross_entropy": "−log softmax(o)_y",
        "stablemax": "−log s(o_y)/Σs(o), s(x) = x + 1 from 0 on, below 1/(1 − x) "
        "(Prieto et al. 2025)",
    },
    "optimizer": {
        "adam": "Adam with coupled weight decay, as torch.optim.Adam",
        "adamw": "Adam with decoupled weight decay, as torch.optim.AdamW",
        "sgd": "gradient descent with momentum and coupled weight decay, as torch.optim.SGD",
        "muon": "Muon with decoupled weight decay on the hidden matrices, adam on all else",
    },
    "schedule": {
        "constant": "the learning rate stays",
        "step": "times decay_factor every decay_every steps",
        "exponential": "times decay_factor^(t/decay_every)",
        "cosine": "times (1 + cos(πt/T))/2, T the steps to the horizon",
    },
    "muon_scaling": {
        "original": "times √max(1, outputs/inputs) (Jordan et al. 2024)",
        "none": "the orthogonalized gradient as it is, nearest to the theory's",
        "match_rms_adamw": "times 0.2 √max(outputs, inputs) (Liu et al. 2025)",
    },
}
"""The built-in names of each kind, and what they mean."""

EXTENSIBLE = ("network", "activation", "loss", "optimizer")
"""Kinds of which users' modules may have more."""

REQUIRED = None
"""In place of a default: has to be given."""


@dataclass(frozen=True)
class Option:
    """A field of Trial that means something for some choices only; elsewhere it is left alone.

    Attributes:
        name: The field; elsewhere it has the default of Trial.
        of: The kind of choice, such as "optimizer".
        defaults: For each choice that has it, what it is unless given; or REQUIRED.
        means: In a few words.
    """

    name: str
    of: str
    defaults: dict[str, Any]
    means: str


OPTIONS = [
    Option("linear_term", "activation", {"square": 0.0}, "a in σ(x) = x² + ax"),
    Option(
        "layers",
        "network",
        {"residual": REQUIRED, "transformer": 1},
        "layers of weights, the read-out's included; of a transformer its blocks",
    ),
    Option("heads", "network", {"transformer": 4}, "of the attention"),
    Option("causal", "network", {"transformer": True}, "attention looks back only"),
    Option(
        "embedding_size",
        "network",
        {"two_layer_embedded": REQUIRED, "embedding": REQUIRED, "transformer": 128},
        "width of an operand's embedding",
    ),
    Option("batch_norm", "network", {"residual": False}, "normalizes each hidden layer"),
    Option("momentum", "optimizer", {"sgd": 0.0, "muon": 0.95}, "μ"),
    Option("nesterov", "optimizer", {"sgd": False, "muon": True}, "Nesterov's momentum"),
    Option("beta1", "optimizer", {"adam": 0.9, "adamw": 0.9, "muon": 0.9}, "β₁ of Adam"),
    Option("beta2", "optimizer", {"adam": 0.999, "adamw": 0.999, "muon": 0.999}, "β₂ of Adam"),
    Option("muon_scaling", "optimizer", {"muon": "original"}, "of the orthogonalized steps"),
    Option("decay_every", "schedule", {"step": REQUIRED, "exponential": REQUIRED}, "in steps"),
    Option("decay_factor", "schedule", {"step": 0.1, "exponential": 0.1}, "of the learning rate"),
]

SETTINGS = {
    "output_scale": "factor of the read-out's first values; 0 is zero-init",
    "output_multiplier": "factor of the outputs, while training and after",
    "ridge": "η > 0: V is solved by ridge regression at every step; 0: it is trained",
    "batch_size": "samples of a training step; 0 is all",
    "warmup_steps": "over which the learning rate rises linearly, before its schedule",
}
"""Fields that mean something for every choice, but for the rules."""


@dataclass(frozen=True)
class Rule:
    """Trials that cannot be, and why.

    Attributes:
        field: At which the problem is told.
        when: Of these trials, in words.
        because: Why they cannot be.
        broken: Which trials break it.
        others: Fields that have a part in it.
    """

    field: str
    when: str
    because: str
    broken: Callable[[Values], Any]
    others: tuple[str, ...]


def _only(field: str, other: str, allowed: set[Any], because: str) -> Rule:
    """Where `field` is no default, `other` has to be one of some."""
    default = DEFAULTS[field]
    words = " or ".join(sorted(map(str, allowed)))
    return Rule(
        field,
        f"{field} needs {other} {words}",
        because,
        lambda v: (v[field] != default) & ~np.isin(v[other], list(allowed)),
        (other,),
    )


def _fixed(network: str, other: str, allowed: str, because: str) -> Rule:
    """A network that has one choice only of another kind."""
    return Rule(
        "network",
        f"{network} needs {other} {allowed}",
        because,
        lambda v: (v["network"] == network) & (v[other] != allowed),
        (other,),
    )


RULES = [
    _only("ridge", "network", {"two_layer"}, "its V alone is solved"),
    _only("ridge", "loss", {"mse"}, "ridge regression minimizes the squared error"),
    _only("ridge", "batch_size", {0}, "V is solved from all training samples"),
    _only("ridge", "output_scale", {1.0}, "a solved V has no first values"),
    _only("ridge", "output_multiplier", {1.0}, "a solved V makes up for any factor"),
    _fixed("product", "activation", "square", "it has no σ; the square is left as it is"),
    _fixed("complex", "activation", "square", "z² is written out in real and imaginary parts"),
    Rule(
        "linear_term",
        "linear_term needs a network other than product and complex",
        "these have no σ to choose",
        lambda v: (v["linear_term"] != 0) & np.isin(v["network"], ["product", "complex"]),
        ("network",),
    ),
    Rule(
        "layers",
        "residual needs layers 2 or more",
        "one hidden layer and the read-out are two",
        lambda v: (v["network"] == "residual") & (np.asarray(v["layers"]) < 2),
        ("network",),
    ),
    Rule(
        "batch_norm",
        "batch_norm needs batch_size other than 1",
        "a single sample has no variance",
        lambda v: np.asarray(v["batch_norm"]) & (np.asarray(v["batch_size"]) == 1),
        ("batch_size",),
    ),
    Rule(
        "heads",
        "heads divide embedding_size",
        "each head has an equal part of it",
        lambda v: (
            (v["network"] == "transformer")
            & (np.asarray(v["embedding_size"]) % np.maximum(v["heads"], 1) != 0)
        ),
        ("embedding_size",),
    ),
    Rule(
        "causal",
        "causal: false needs layers 2 or more",
        'in the last block "=" alone asks, and nothing is behind it',
        lambda v: (
            (v["network"] == "transformer")
            & ~np.asarray(v["causal"])
            & (np.asarray(v["layers"]) == 1)
        ),
        ("layers",),
    ),
    Rule(
        "warmup_steps",
        "warmup_steps is less than max_steps",
        "the horizon has to lie behind the warm-up",
        lambda v: (np.asarray(v["warmup_steps"]) > 0) & (v["warmup_steps"] >= v["max_steps"]),
        ("max_steps",),
    ),
]

FIELDS = [*CHOICES, *(one.name for one in OPTIONS if one.name not in CHOICES), *SETTINGS]
"""All fields of Trial that the table speaks of."""


def usual(name: str, values: Values) -> Any:  # noqa: ANN401
    """What a field is where nothing is said of it.

    Args:
        name: A field with a default.
        values: At least the choices, as columns or single values.

    Returns:
        One value, or an array of one a trial.
    """
    for option in OPTIONS:
        if option.name == name:
            owner = np.asarray(values[option.of])
            found = np.full(owner.shape, DEFAULTS[name], dtype=object)
            for choice, default in option.defaults.items():
                if default is not REQUIRED:
                    found[owner == choice] = default
            return found
    return DEFAULTS[name]
