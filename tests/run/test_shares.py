"""Packs that share a GPU: which part of the card each asks for, and that Ray heeds it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sweeper.learn.train import _fitting_batch
from sweeper.learn.two_layer_costs import batch_bytes
from sweeper.run.packs import Pack, make_packs
from sweeper.run.shares import (
    CONTEXT_BYTES,
    USED,
    Shares,
    estimates,
    largest_of_shapes,
    pack_sizes,
    share_of,
)
from sweeper.spec.model import LEAST_SHARE
from sweeper.spec.sweep import open_sweep
from sweeper.spec.trial import Trial, trials
from tests.commands import called
from tests.run.sweeps import NO_TOKEN, records, run, started_cluster

SHARED = """\
name: shared
axes:
  M: 11
  n_train: {fraction: {from: 0.5, to: 0.9, count: 6}}
  hidden_size: [64, 128]
  learning_rate: 0.005
  weight_decay: 0.0002
  max_steps: 4000
  seed: 2
training: {stop_at_target: false}
resources: {cpus_per_worker: 0.5, gpus_per_worker: auto, gpu_memory_gb: 2.0, pack_size: 3}
"""


@given(st.floats(0, 1e12), st.floats(1e9, 2e11))
def test_shares_hold_what_is_needed_and_never_add_up_to_more_than_a_card(
    needed: float, card: float
) -> None:
    share = share_of(needed, card)
    assert 0 < share <= 1
    assert share / LEAST_SHARE == pytest.approx(round(share / LEAST_SHARE))
    at_once = int(1 / share + 1e-9)
    assert at_once * share <= 1 + 1e-9
    if share < 1:
        assert share * card * (1 + 1e-9) >= needed / USED + CONTEXT_BYTES


def test_shares_have_known_values() -> None:
    assert share_of(0.8 * 9.4e9, 40e9) == pytest.approx(0.25)
    assert share_of(0.8 * 9.5e9, 40e9) == pytest.approx(0.3)
    assert share_of(0, 80e9) == LEAST_SHARE
    assert share_of(100e9, 80e9) == 1


def test_a_packs_share_is_that_of_its_largest_trial_at_the_next_size(
    tmp_path: Path, trial: Callable[..., Trial]
) -> None:
    """Table and plan belong together: any pack's share holds a batch of its most costly trial."""
    path = tmp_path / "shared.yaml"
    path.write_text(SHARED)
    plan = open_sweep(path).plan
    shapes, largest = largest_of_shapes(plan)
    sizes = pack_sizes(5)
    assert sizes.tolist() == [1, 2, 4, 5]
    needed = estimates(largest, sizes, {})
    assert needed.shape == (2, 4)
    assert (np.diff(needed, axis=1) > 0).all()
    card = 1.2e9
    shares = Shares(shapes, sizes, np.array([[share_of(x, card) for x in row] for row in needed]))
    for pack in make_packs(plan, 2, on_gpu=True, pack_size=5):
        mine = trials(plan.take(list(pack.rows)))
        costly = max(mine, key=lambda one: one.n_train)
        wanted = batch_bytes(costly, len(mine), "cuda")
        assert shares.of(pack) >= min(1, (wanted / USED + CONTEXT_BYTES) / card)
    wide = int(np.flatnonzero(plan["hidden_size"].to_numpy() == 128)[0])
    assert shares.of(Pack((wide,))) == share_of(needed[shapes[wide], 0], card)


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_a_worker_stays_within_its_share(
    monkeypatch: pytest.MonkeyPatch, trial: Callable[..., Trial], share: float
) -> None:
    """The largest batch that fits into the share, though the whole card seems to be free."""
    card = int(batch_bytes(trial(), 1000, "cuda") / 0.8)
    held_to: list[float] = []
    kept = [0.9 * card]  # by torch, of the pack before
    monkeypatch.setattr(torch.cuda, "empty_cache", kept.clear)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (card - sum(kept), card))
    monkeypatch.setattr(
        torch.cuda, "set_per_process_memory_fraction", lambda part, card: held_to.append(part)
    )
    pack = [trial(seed=seed) for seed in range(2000)]
    batch = _fitting_batch(pack, "cuda", share)
    assert 1 < batch < len(pack)
    assert batch_bytes(pack[0], batch, "cuda") <= 0.8 * share * card
    assert batch_bytes(pack[0], batch + 1, "cuda") > 0.8 * share * card
    assert held_to == [share]


def test_what_is_no_number_of_gpus_is_refused(small_spec: Path) -> None:
    for text in ("half", "-1", "nan", "inf"):
        said = called("run", small_spec, "--gpus-per-worker", text, code=2).output
        assert f"{text!r} is neither auto nor a number of GPUs" in said


@pytest.fixture(scope="module")
def one_gpu() -> Iterator[str]:
    """A cluster that believes it has a GPU."""
    with started_cluster("--num-cpus=4", "--num-gpus=1") as address:
        yield address


def test_packs_share_a_card_as_far_as_their_memory_allows(tmp_path: Path, one_gpu: str) -> None:
    """Of a card of 2 GB a pack gets 0.35: two at once, and never three."""
    spec = tmp_path / "shared.yaml"
    spec.write_text(SHARED)
    run(spec, "--address", one_gpu, **NO_TOKEN)
    found = records(spec)
    assert len(found) == 24
    start = found["started_at"].map(lambda when: when.timestamp())
    times = [(when, 1) for when in start] + [(when, -1) for when in start + found["wall_time_s"]]
    at_once = np.cumsum([change for _, change in sorted(times)])
    assert at_once.max() == 2


def test_a_card_whose_memory_nobody_knows_is_asked_for(tmp_path: Path, one_gpu: str) -> None:
    spec = tmp_path / "shared.yaml"
    spec.write_text(SHARED.replace("gpu_memory_gb: 2.0, ", ""))
    said = run(spec, "--address", one_gpu, code=3, **NO_TOKEN)
    assert "gpus_per_worker: auto needs the memory of the cards, and torch sees none on " in said
    assert "gpu_memory_gb can say it" in said
    assert not len(records(spec))
