"""The page docs/probes.md, made from the table.

`python -m sweeper.spec.probes_page > docs/probes.md` writes it.
"""

from sweeper.spec.learners_page import section
from sweeper.spec.probes import PROBES, Need, Probes, StageThresholds

_HEAD = """\
# Probes

Made from the table in `sweeper/spec/probes.py`, which specs are checked against. What each
measures, and what was found, is in [dynamics](dynamics.md).

    probes: [stages, irreps, energy]

or, with options,

    probes: {measure: [stages, gradient], every: 1, thresholds: {alignment: 0.5}}

A probe that cannot measure one of a sweep's trials is an error; leave it out, or the trials with
`exclude`.
"""


def page() -> str:
    """The whole page."""
    rows = [[f"`{name}`", one.measures, one.undefined] for name, one in PROBES.items()]
    parts = [_HEAD, section("Probes", ["", "measures", "null"], rows)]
    needs = dict.fromkeys(need for one in PROBES.values() for need in one.needs)
    rows = [[need.words, _who(need), need.because] for need in needs]
    parts.append(section("Trials that they measure", ["", "needed by", "because"], rows))
    options = [
        [f"`{name}`", _usual(field.default), field.description or ""]
        for name, field in Probes.model_fields.items()
    ]
    parts.append(section("Options", ["", "unless given", ""], options))
    limits = [
        [f"`{name}`", field.description or ""]
        for name, field in StageThresholds.model_fields.items()
    ]
    parts.append(section("Thresholds", ["", ""], limits))
    return "\n".join(parts)


def _who(need: Need) -> str:
    names = [f"`{name}`" for name, one in PROBES.items() if need in one.needs]
    others = [f"`{name}`" for name, one in PROBES.items() if need not in one.needs]
    if len(others) < 2:
        return " but ".join(["all", *others])
    return ", ".join(names)


def _usual(default: object) -> str:
    return str(default) if isinstance(default, int) else ""


if __name__ == "__main__":
    print(page(), end="")
