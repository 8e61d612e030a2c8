"""Packs hold every trial once, of one shape each; lost ones come back until they are given up."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.run.agenda import open_agenda
from sweeper.run.packs import MAX_ATTEMPTS, SHAPE, Pack, PackQueue, estimated_seconds, make_packs
from sweeper.spec.sweep import open_text
from sweeper.store.results import ResultsFolder

SPEC = """\
name: x
axes:
  M: [11, 23, 47]
  n_train: {fraction: {from: 0.1, to: 0.9, count: 20}}
  hidden_size: [64, 256]
  learning_rate: 0.005
  weight_decay: 0.0002
  max_steps: 4000
  seed: 3
"""


@pytest.fixture(scope="module")
def plan() -> pa.Table:
    return open_text(SPEC, "x").plan


@pytest.mark.parametrize(("on_gpu", "size"), [(False, None), (False, 7), (True, None), (True, 7)])
def test_every_trial_is_in_one_pack_of_its_shape(
    plan: pa.Table, on_gpu: bool, size: int | None
) -> None:
    packs = make_packs(plan, 2, on_gpu, size)
    rows = [row for pack in packs for row in pack.rows]
    assert sorted(rows) == list(range(plan.num_rows))
    shapes = plan.select(SHAPE).to_pylist()
    assert all(len({tuple(shapes[row].values()) for row in pack.rows}) == 1 for pack in packs)
    if size:
        assert max(len(pack.rows) for pack in packs) == size


def test_packs_are_handed_out_costliest_first_and_of_like_cost(plan: pa.Table) -> None:
    seconds = estimated_seconds(plan)
    costs = [sum(seconds[list(pack.rows)]) for pack in make_packs(plan, 2)]
    assert costs == sorted(costs, reverse=True)
    assert max(costs) < 15 + max(seconds)
    assert len(costs) >= 16


def test_nothing_missing_makes_no_packs(plan: pa.Table) -> None:
    assert make_packs(plan.slice(0, 0), 2) == []


def waiting(packs: list[Pack], trials: int) -> PackQueue:
    queue = PackQueue(trials)
    queue.add(packs)
    return queue


def test_a_lost_pack_waits_again_without_what_it_delivered() -> None:
    queue = waiting([Pack((0, 1, 2))], 3)
    pack = queue.take()
    assert pack is not None
    assert queue.take() is None
    assert queue.deliver([0]) == [True]
    assert queue.lose(pack) == []
    again = queue.take()
    assert again == Pack((1, 2), deaths=1)
    assert queue.deliver([1, 2]) == [True, True]
    queue.close(again)
    assert queue.ended


def test_a_pack_that_was_not_begun_is_the_next_again() -> None:
    queue = waiting([Pack((0,)), Pack((1,))], 2)
    pack = queue.take()
    assert pack is not None
    queue.put_back(pack)
    assert queue.take() == pack
    assert not queue.ended


def test_a_second_delivery_is_told() -> None:
    queue = waiting([Pack((0, 1))], 2)
    assert queue.deliver([1]) == [True]
    assert queue.deliver([1, 0]) == [False, True]


def test_a_pack_cannot_end_with_trials_missing() -> None:
    queue = waiting([Pack((0, 1))], 2)
    pack = queue.take()
    assert pack is not None
    queue.deliver([0])
    with pytest.raises(RuntimeError, match="a pack ended without 1 of its trials"):
        queue.close(pack)


@given(
    count=st.integers(1, 70),
    poison=st.sets(st.integers(0, 69), max_size=4),
    order=st.randoms(use_true_random=False),
)
def test_the_trials_that_kill_their_worker_are_found_and_only_they(
    count: int, poison: set[int], order: "np.random.Generator"
) -> None:
    """A worker trains in any order, dies at a poisoned trial and loses the undelivered rest."""
    queue = waiting([Pack(tuple(range(count)))], count)
    given_up: list[int] = []
    delivered: list[int] = []
    deaths = 0
    while pack := queue.take():
        rows = list(pack.rows)
        order.shuffle(rows)
        for row in rows:
            if row in poison:
                given_up += queue.lose(pack)
                deaths += 1
                break
            assert queue.deliver([row]) == [True]
            delivered.append(row)
        else:
            queue.close(pack)
    assert queue.ended
    assert set(given_up) == poison & set(range(count))
    assert sorted(given_up + delivered) == list(range(count))
    assert deaths <= len(set(given_up)) * (MAX_ATTEMPTS + 9)


SEARCH = """\
name: search
design: {kind: boundary, tolerance: 0.3}
axes:
  group: [Z8, D4, Q8]
  n_train: {fraction: [0.4, 0.6]}
  hidden_size: 16
  learning_rate: 0.005
  weight_decay: 0.0002
  max_steps: 100
  seed: 2
resources: {gpus_per_worker: 1}
"""


def test_packs_of_a_search_are_of_one_shape_too(tmp_path: Path) -> None:
    """A search asks in an order of its own; a pack of several groups would train as one of them."""
    agenda = open_agenda(open_text(SEARCH, "search.yaml"), ResultsFolder.at(tmp_path))
    packs = agenda.more(1)
    asked = [row for pack in packs for row in pack.rows]
    assert asked != sorted(asked)
    assert len(set(asked)) == len(asked) == agenda.plan.num_rows
    for pack in packs:
        shapes = agenda.plan.take(list(pack.rows)).select(SHAPE).to_pandas()
        assert len(shapes.drop_duplicates()) == 1
