"""The nodes of a Ray cluster: their room for workers, and whether they run what the driver runs."""

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import sweeper
from sweeper.run.executor import ExecutorError, Job
from sweeper.run.shares import (
    Shares,
    estimates,
    largest_of_shapes,
    pack_sizes,
    share_of,
)
from sweeper.spec.model import LEAST_SHARE, Resources
from sweeper.store.provenance import source_digest

ANSWER_SECONDS = 300.0
"""A node has so long to fetch the code and import it."""

RUNTIME_ENV = {"py_modules": [str(Path(sweeper.__file__).parent)], "excludes": ["__pycache__"]}
"""Takes the driver's sweeper to every worker, whether or not the nodes have one."""


@dataclass(frozen=True)
class Node:
    """A live node.

    Attributes:
        node_id: Ray's.
        name: For people.
        resources: What it has, by Ray's names.
    """

    node_id: str
    name: str
    resources: Mapping[str, float]

    def room(self, resources: Resources) -> int:
        """Workers that fit on it, if it is empty."""
        fits = int(self.resources.get("CPU", 0) / resources.cpus_per_worker)
        if resources.on_gpu:
            # 1 / 0.05 is 20, whatever its last bit says
            fits = min(fits, int(self.resources.get("GPU", 0) / resources.least_gpus + 1e-9))
        return fits


def live_nodes() -> list[Node]:
    """The nodes of the cluster that this process is connected to."""
    return [
        Node(
            node["NodeID"],
            f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})",
            node["Resources"],
        )
        for node in ray.nodes()  # type: ignore[no-untyped-call]
        if node["Alive"]
    ]


def room(resources: Resources) -> int:
    """How many workers the cluster's nodes have room for, or fewer if fewer are asked for.

    Raises:
        ExecutorError: No node has room for one.
    """
    fits = total_room(resources)
    if not fits:
        nodes = live_nodes()
        have = ", ".join(
            f"{node.resources.get('CPU', 0):g} CPUs and {node.resources.get('GPU', 0):g} GPUs"
            for node in nodes
        )
        raise ExecutorError(
            f"a worker should get {resources.cpus_per_worker:g} CPUs and "
            f"{resources.least_gpus:g} GPUs on one node; the nodes have {have}"
        )
    return min(fits, resources.workers or fits)


def total_room(resources: Resources) -> int:
    """How many workers the cluster's nodes have room for now, perhaps none."""
    return sum(node.room(resources) for node in live_nodes())


def shares_of(job: Job) -> Shares:
    """The part of a card that each pack of a job asks for; estimated by a worker, which has torch.

    Raises:
        ExecutorError: No node tells how much memory its cards have.
    """
    shapes, largest = largest_of_shapes(job.plan)
    sizes = pack_sizes(job.resources.pack_size)
    node = next(node for node in live_nodes() if node.room(job.resources))
    estimate = ray.remote(num_cpus=0)(estimates).options(scheduling_strategy=_on(node))
    needed = ray.get(estimate.remote(largest, sizes, dict(job.modules)))
    card = 1e9 * job.resources.gpu_memory_gb if job.resources.gpu_memory_gb else _smallest_card()
    table = [[share_of(one, card) for one in row] for row in needed]
    return Shares(shapes, sizes, np.array(table))


def _smallest_card() -> float:
    """Memory of the smallest card of all nodes with any, in bytes."""

    def card_bytes() -> float | None:  # where torch may be loaded: not here
        from sweeper.learn.devices import card_bytes

        return card_bytes()

    having = [node for node in live_nodes() if node.resources.get("GPU", 0)]
    ask = ray.remote(num_cpus=0, num_gpus=LEAST_SHARE)(card_bytes)
    asked = [ask.options(scheduling_strategy=_on(node)).remote() for node in having]
    cards: list[Any] = ray.get(asked)
    blind = [node.name for node, card in zip(having, cards, strict=True) if card is None]
    if blind or not cards:
        raise ExecutorError(
            "gpus_per_worker: auto needs the memory of the cards, and torch sees none on "
            f"{', '.join(blind) or 'any node'}; gpu_memory_gb can say it"
        )
    return min(float(card) for card in cards)


def check_nodes(resources: Resources, modules: Mapping[str, str]) -> None:
    """Have every node that has room for a worker import what a worker imports.

    Args:
        resources: What a worker gets.
        modules: Texts of users' modules, by label.

    Raises:
        ExecutorError: With all that differs or fails, by node.
    """
    nodes = [node for node in live_nodes() if node.room(resources)]
    probe = ray.remote(num_cpus=0, max_retries=1)(_probe())
    asked = [probe.options(scheduling_strategy=_on(node)).remote(dict(modules)) for node in nodes]
    ray.wait(asked, num_returns=len(asked), timeout=ANSWER_SECONDS)
    ours = {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "ray": version("ray"),
        "torch": version("torch").partition("+")[0],
        "sweeper": source_digest(),
    }
    problems = [
        f"  {node.name}: {problem}"
        for node, answer in zip(nodes, asked, strict=True)
        for problem in _problems(answer, ours)
    ]
    if problems:
        lines = "\n".join(problems)
        raise ExecutorError(f"not all nodes of the cluster can run this sweep:\n{lines}")


def _on(node: Node) -> NodeAffinitySchedulingStrategy:
    return NodeAffinitySchedulingStrategy(node.node_id, soft=False)


def _problems(answer: Any, ours: Mapping[str, str]) -> list[str]:  # noqa: ANN401
    """What is wrong with a node."""
    try:
        theirs, errors = ray.get(answer, timeout=0)
    except ray.exceptions.GetTimeoutError:
        return [f"no answer within {ANSWER_SECONDS:g} s"]
    except ray.exceptions.RayError as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        return [f"no process can be started there: {lines[-1].strip() if lines else error!r}"]
    differing = [
        f"{name} {theirs[name]}, the driver has {ours[name]}"
        for name in ours
        if name in theirs and theirs[name] != ours[name]
    ]
    return differing + list(errors)


def _probe() -> Callable[[dict[str, str]], tuple[dict[str, str], list[str]]]:
    """What runs on a node; defined here, so that it goes there as it is and imports nothing."""

    def probe(modules: dict[str, str]) -> tuple[dict[str, str], list[str]]:
        import importlib.metadata
        import platform

        found = {"python": ".".join(platform.python_version_tuple()[:2])}
        errors = []
        for name in ("ray", "torch"):
            try:
                found[name] = importlib.metadata.version(name).partition("+")[0]
            except importlib.metadata.PackageNotFoundError:
                errors.append(f"{name} is not installed")
        try:
            from sweeper.learn.modules import load
            from sweeper.store.provenance import source_digest
        except Exception as error:
            return found, [*errors, f"sweeper cannot be imported: {error!r}"]
        found["sweeper"] = source_digest()
        for label, text in modules.items():
            try:
                load({label: text})
            except Exception as error:
                errors.append(f"module {label} cannot be imported: {error!r}")
        return found, errors

    return probe
