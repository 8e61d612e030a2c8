"""Several nodes, each a raylet on this machine with one core and a name of its own."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sweeper.spec.sweep import open_sweep
from tests.run.sweeps import NO_TOKEN, records, run, start, started_cluster, wait_for_records

ATTENTIVE = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 2000,
    "health_check_failure_threshold": 4,
}
"""A dead raylet is noticed after seconds; by default it takes a minute."""


class Nodes:
    """A cluster that nodes are added to."""

    def __init__(self, folder: str) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(shutdown_at_exit=False)
        head = {"temp_dir": folder, "include_dashboard": False, "_system_config": ATTENTIVE}
        self.add("node-a", **head)
        self.address = self._cluster.address

    def add(self, name: str, pythonpath: Path | None = None, **options: Any) -> Any:  # noqa: ANN401
        """Start a node; its raylet's and its workers' PYTHONPATH may begin with a folder."""
        env = {"SWEEPER_HOST": name}
        if pythonpath:
            inherited = os.environ.get("PYTHONPATH")
            env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(pythonpath), inherited]))
        return self._cluster.add_node(num_cpus=1, env_vars=env, **options)

    def kill(self, node: Any) -> None:  # noqa: ANN401
        self._cluster.remove_node(node, allow_graceful=False)

    def shutdown(self) -> None:
        self._cluster.shutdown()


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    for name, value in NO_TOKEN.items():
        monkeypatch.setenv(name, value)
    folder = tempfile.mkdtemp(prefix="ray")  # short: the names of sockets have a limit
    cluster = Nodes(folder)
    try:
        yield cluster
    finally:
        cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nodes_come_and_go(medium: Path, nodes: Nodes) -> None:
    """Of two nodes one is killed in the middle, and a third is added: one record a trial."""
    medium.write_text(medium.read_text().replace("seed: 3", "seed: 12"))
    leaving = nodes.add("node-b")
    process = start(medium, "--address", nodes.address, "--pack-size", "2")
    wait_for_records(medium, 4, process)
    assert process.poll() is None
    nodes.kill(leaving)
    killed_at = time.time()
    nodes.add("node-c")
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 0, said
    assert "a worker died" in said
    found = records(medium)
    assert set(found.index) == set(open_sweep(medium).plan["fingerprint"].to_pylist())
    assert set(found["outcome"]) <= {"generalized", "memorized", "unresolved"}
    assert set(found["host"]) == {"node-a", "node-b", "node-c"}
    started = found["started_at"].map(lambda when: when.timestamp())
    assert started[found["host"] == "node-b"].max() < killed_at
    late = started >= started[found["host"] == "node-c"].min()
    ended = (started + found["wall_time_s"])[late]
    at_once = found.loc[late, "wall_time_s"].sum() / (ended.max() - started[late].min())
    assert at_once > 1.4, f"{at_once:.2f} trials at once since the third node came"


@pytest.mark.timeout(300)
def test_workers_run_the_drivers_code_and_nodes_that_differ_are_named(
    small_spec: Path, tmp_path: Path, nodes: Nodes
) -> None:
    """One node has another sweeper installed, which is not used; two have another torch, or none.

    The module that the spec names is on none of them.
    """
    (tmp_path / "mine.py").write_text(
        "import torch\nfrom sweeper.learn.registry import register_loss\n"
    )
    other = tmp_path / "other" / "sweeper"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("raise ImportError('the sweeper of the node')\n")
    older = tmp_path / "older"
    (older / "torch-1.0.dist-info").mkdir(parents=True)
    (older / "torch-1.0.dist-info" / "METADATA").write_text("Name: torch\nVersion: 1.0\n")
    without = tmp_path / "without"
    without.mkdir()
    (without / "sitecustomize.py").write_text("import sys; sys.modules['torch'] = None\n")
    nodes.add("node-b", other.parent)
    bad = [nodes.add("node-c", older), nodes.add("node-d", without)]
    said = run(small_spec, "--address", nodes.address, code=3)
    assert "not all nodes of the cluster can run this sweep:\n" in said
    lines = [line for line in said.splitlines() if line.startswith("  ")]
    assert len(lines) == 2, said
    assert "torch 1.0, the driver has " in said
    assert "sweeper cannot be imported: ModuleNotFoundError(" in said
    assert not len(records(small_spec))
    for node in bad:
        nodes.kill(node)
    time.sleep(8)  # until their deaths are noticed
    run(small_spec, "--address", nodes.address, "--pack-size", "1")
    assert len(records(small_spec)) == 12
    assert set(records(small_spec)["host"]) == {"node-a", "node-b"}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare"), reason="may not hide folders from a process"
)
def test_workers_need_no_disk_in_common_with_the_driver(small_spec: Path, tmp_path: Path) -> None:
    """The only node that trains sees an empty folder where spec, results and scratch space lie."""
    (tmp_path / "tmp").mkdir()
    with started_cluster("--num-cpus=0") as address:
        ray = f"{Path(sys.executable).with_name('ray')} start --block --num-cpus=1"
        hidden = f"mount -t tmpfs none {tmp_path} && exec {ray} --address {address}"
        environment = os.environ | NO_TOKEN | {"SWEEPER_HOST": "far"}
        node = subprocess.Popen(["unshare", "--mount", "sh", "-c", hidden], env=environment)
        try:
            wait_for_room(address)
            run(small_spec, "--address", address, TMPDIR=str(tmp_path / "tmp"), **NO_TOKEN)
        finally:
            node.terminate()
            node.wait(timeout=60)
    assert len(records(small_spec)) == 12
    assert set(records(small_spec)["host"]) == {"far"}


def wait_for_room(address: str) -> None:
    """Until some node of a cluster has a core."""
    command = [str(Path(sys.executable).with_name("ray")), "status", "--address", address]
    for _ in range(60):
        told = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | NO_TOKEN, check=False
        )
        if "/1.0 CPU" in told.stdout:
            return
        time.sleep(1)
    raise TimeoutError(told.stdout + told.stderr)
