"""The page docs/learners.md, made from the table.

`python -m sweeper.spec.learners_page > docs/learners.md` writes it.
"""

from sweeper.spec.learners import CHOICES, OPTIONS, REQUIRED, RULES, SETTINGS
from sweeper.spec.model import Model
from sweeper.spec.trial import DEFAULTS

_HEAD = """\
# Learners

Made from the table in `sweeper/spec/learners.py`, which specs are checked against. Every name below
is a field of a trial and a column of the records. In a spec it is a key of `model` (the network is
its `kind`) or of `training`, or an axis of that name where there are several values (all but
{not_axes}). Names of your own come from
[modules](extending.md).

    axes:
      optimizer: [adam, muon]
      activation: [square, relu]
    model: {{kind: two_layer, output_scale: 0.5}}
    training: {{loss: cross_entropy, momentum: 0.9}}

An option goes to the trials whose choice has it (momentum above to Muon's), the others are left
alone; if none has it, that is an error. A combination in the last table is one too, wherever it
occurs: leave it out with `exclude`.
"""

NOT_AXES = ("causal", "batch_norm", "nesterov", "beta1", "beta2", "muon_scaling")


def page() -> str:
    """The whole page."""
    parts = [_HEAD.format(not_axes=", ".join(f"`{name}`" for name in NOT_AXES))]
    for kind, names in CHOICES.items():
        rows = [[f"`{name}`", means] for name, means in names.items()]
        parts.append(section(kind.replace("_", " ").capitalize(), [f"`{kind}`", ""], rows))
    rows = [
        [f"`{one.name}`", _owners(one.defaults), one.means, _where(one.name)] for one in OPTIONS
    ]
    parts.append(section("Options", ["", "belongs to (unless given)", "", "key of"], rows))
    rows = [
        [f"`{name}`", _shown(DEFAULTS[name]), means, _where(name)]
        for name, means in SETTINGS.items()
    ]
    parts.append(section("For every choice", ["", "unless given", "", "key of"], rows))
    rows = [[rule.when, rule.because] for rule in RULES]
    parts.append(section("What cannot be combined", ["", "because"], rows))
    return "\n".join(parts)


def section(title: str, head: list[str], rows: list[list[str]]) -> str:
    """A heading and a table under it, in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    table = "\n".join(
        "| " + " | ".join(one.replace("|", "\\|") for one in row) + " |" for row in lines
    )
    return f"## {title}\n\n{table}\n"


def _owners(defaults: dict[str, object]) -> str:
    return ", ".join(
        f"{choice} ({'to be given' if value is REQUIRED else _shown(value)})"
        for choice, value in defaults.items()
    )


def _where(name: str) -> str:
    return "model" if name in Model.model_fields else "training"


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower()


if __name__ == "__main__":
    print(page(), end="")
