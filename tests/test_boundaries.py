"""The directions of docs/architecture.md: what may import what, and what stays unloaded."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ALLOWED = {
    "sweeper.tasks": set(),
    "sweeper.spec": {"sweeper.tasks"},
    "sweeper.store": {"sweeper.spec", "sweeper.tasks"},
    "sweeper.learn": {"sweeper.spec", "sweeper.store", "sweeper.tasks"},
    "sweeper.run": {"sweeper.learn", "sweeper.spec", "sweeper.store", "sweeper.tasks"},
    "sweeper.terminal": {
        "analysis",
        "sweeper.run",
        "sweeper.spec",
        "sweeper.store",
        "sweeper.tasks",
    },
    "analysis": {"sweeper.store", "sweeper.tasks"},
}
HEAVY = {"torch": {"sweeper.learn"}, "ray": {"sweeper.run"}}


def imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    plain = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    return plain | {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
    }


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_follow_the_way_of_the_data(package: str) -> None:
    files = list(Path(package.replace(".", "/")).rglob("*.py"))
    assert files
    for path in files:
        for name in imports(path):
            top = name.split(".")[0]
            home = ".".join(name.split(".")[:2]) if top == "sweeper" else top
            if top in {"sweeper", "analysis"} and home not in {"sweeper", package}:
                assert home in ALLOWED[package], f"{path} imports {name}"
            if top in HEAVY:
                assert package in HEAVY[top], f"{path} imports {name}"


@pytest.mark.parametrize(
    ("statement", "unloaded"),
    [
        ("import sweeper.cli", {"torch", "ray", "pandas", "matplotlib", "scipy"}),
        ("import sweeper.spec.sweep, sweeper.store.results", {"torch", "ray", "matplotlib"}),
        ("import sweeper.learn.train", {"ray", "matplotlib"}),
        ("import sweeper.run.driver, sweeper.run.ray_tune", {"torch", "matplotlib"}),
        ("import sweeper.terminal.watching", {"torch", "ray", "matplotlib"}),
        ("import analysis", {"torch", "ray", "matplotlib"}),
    ],
)
def test_what_is_not_needed_is_not_loaded(statement: str, unloaded: set[str]) -> None:
    code = f"{statement}\nimport sys\nprint(*({unloaded!r} & set(sys.modules)))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == []


def test_what_make_promises_it_does() -> None:
    """Each target that is declared, told of at the top or called by CI has a rule."""
    text = Path("Makefile").read_text()
    rules = set(re.findall(r"^([a-z-]+):", text, re.M))
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.M)
    told = re.findall(r"^# make ([a-z-]+)", text, re.M)
    called = re.findall(r"\bmake ([a-z-]+)", Path(".ci/run").read_text())
    assert {*phony.split(), *told, *called} <= rules
