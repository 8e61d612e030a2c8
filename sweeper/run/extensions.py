"""Users' modules tried out before a run: in a process of its own, for the driver loads no torch."""

import json
import subprocess
import sys
import traceback
from typing import Any

import pyarrow.compute as pc

from sweeper.spec.learners import CHOICES, EXTENSIBLE
from sweeper.spec.load import parse
from sweeper.spec.planned_learners import place_of
from sweeper.spec.problems import SpecError
from sweeper.spec.sweep import Sweep


def check_modules(sweep: Sweep) -> None:
    """Import a sweep's modules, and look whether they register all the names that it uses.

    Raises:
        SpecError: A module raises, or a name is none's.
    """
    if not sweep.modules:
        return
    document = parse(sweep.text, sweep.path)
    command = [sys.executable, "-m", "sweeper.run.extensions"]
    request = json.dumps({one.label: one.text for one in sweep.modules})
    answer = subprocess.run(command, input=request, capture_output=True, text=True, check=False)
    if answer.returncode:
        last = (answer.stderr.strip().splitlines() or ["it said nothing"])[-1]
        text = f"the process that should import them ended: {last}"
        raise SpecError(sweep.path, [document.problem(("modules",), text)])
    said = json.loads(answer.stdout.splitlines()[-1])
    problems = []
    for i, one in enumerate(sweep.modules):
        if error := said["errors"].get(one.label):
            problems.append(document.problem(("modules", i), f"raises when imported: {error}"))
    for kind in EXTENSIBLE:
        used = set(pc.unique(sweep.plan[kind]).to_pylist())
        for name in sorted(used - set(said["names"][kind])):
            registered = sorted(set(said["names"][kind]) - set(CHOICES[kind]))
            have = f"they register {', '.join(registered)}" if registered else "they register none"
            text = f"found {name!r}, which is neither built in nor from the modules; {have}"
            problems.append(document.problem(place_of(sweep.spec, kind), text))
    if problems:
        raise SpecError(sweep.path, problems)


def _serve() -> None:
    """Import the modules of a request; print which names there are then, and what was raised."""
    from sweeper.learn.modules import load
    from sweeper.learn.registry import ALL

    errors: dict[str, str] = {}
    for label, text in json.loads(sys.stdin.read()).items():
        try:
            load({label: text})
        except BaseException as error:
            frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == label]
            line = getattr(error, "lineno", None) or (frames[-1].lineno if frames else None)
            where = f" (line {line})" if line else ""
            errors[label] = f"{type(error).__name__}: {error}{where}"
    names: dict[str, Any] = {kind: registry.names() for kind, registry in ALL.items()}
    print("\n" + json.dumps({"errors": errors, "names": names}))


if __name__ == "__main__":
    _serve()
