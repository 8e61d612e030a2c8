"""Balanced splits are balanced at every n, and noisy labels are as many as was said."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.tasks.balanced import balanced_order, most_balanced, no_balance
from sweeper.tasks.groups import group_named
from sweeper.tasks.splits import split_order, training_set
from sweeper.tasks.task import task_of

BALANCED = [
    ("Z3", ""), ("Z9", ""), ("Z11", ""), ("Z23", ""), ("Z2×Z2", ""), ("Z2×Z4", ""), ("Q8", ""),
    ("D4", ""), ("D6", ""), ("A4", ""), ("Z7⋊Z3", ""), ("S4", ""), ("Z11", "x + 3*y"),
    ("Z11", "x**3 - y"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "expression"), BALANCED)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_operand_and_target_is_as_frequent_as_any_other_at_every_n(
    name: str, expression: str, seed: int
) -> None:
    task = task_of(name, 2, expression)
    M = task.order
    assert no_balance(task, group_named(name)) is None
    order = split_order(task, seed, "balanced")
    assert len(order) == len(set(order.tolist())) == most_balanced(task)
    for column in (*np.divmod(order, M), task.targets[order]):
        counts = np.cumsum(column[:, None] == np.arange(M), axis=0)  # (n, M)
        assert (np.ptp(counts, axis=1) <= 1).all()


def test_a_balanced_split_is_named_by_task_and_seed() -> None:
    task = task_of("Z11")
    orders = [balanced_order(task, seed).tolist() for seed in range(3)]
    assert orders[0] == balanced_order.__wrapped__(task, 0).tolist()
    assert len({tuple(order) for order in orders}) == 3
    assert orders[0][:6] == FIRST_OF_Z11


FIRST_OF_Z11 = [32, 101, 38, 9, 70, 77]
"""These numbers are part of every fingerprint's meaning: they must never change."""


@pytest.mark.parametrize("name", ["Z7", "S3×Z2"])
def test_every_cell_is_as_likely_in_a_transversal(name: str) -> None:
    """Of 600 first transversals each cell is in about 600/M."""
    task = task_of(name)
    M = task.order
    hits = np.zeros(M * M)
    for seed in range(600):
        hits[balanced_order.__wrapped__(task, seed)[:M]] += 1
    z = (hits - 600 / M) / np.sqrt(600 / M * (1 - 1 / M))
    assert np.abs(z).max() < 4.5
    assert 0.5 < z.var() < 1.6


@pytest.mark.parametrize(
    ("name", "operands", "expression", "reason"),
    [
        ("Z8", 2, "", "its Sylow 2-subgroups are cyclic"),
        ("S3", 2, "", "its Sylow 2-subgroups are cyclic"),
        ("D5", 2, "", "its Sylow 2-subgroups are cyclic"),
        ("Z4×Z7", 2, "", "its Sylow 2-subgroups are cyclic"),
        ("Z7", 3, "", "a balanced split is one of pairs, not of more operands"),
        ("Z7", 2, "x*y", "not every target occurs once with every left and every right operand"),
        ("Z7", 2, "x/y", "not every target occurs once with every left and every right operand"),
        ("Z8", 2, "x + y", "M is even, and of expressions only those modulo an odd M"),
    ],
)
def test_what_cannot_be_balanced_says_why(
    name: str, operands: int, expression: str, reason: str
) -> None:
    task = task_of(name, operands, expression)
    assert (no_balance(task, group_named(name)) or "").startswith(reason)


# ------------------------------------------------------------------ label noise


@settings(deadline=None, max_examples=60)
@given(
    share=st.floats(0, 0.99),
    n=st.integers(1, 120),
    more=st.integers(0, 40),
    split=st.sampled_from(["uniform", "balanced"]),
)
def test_wrong_labels_are_as_many_as_said_and_stay_when_n_grows(
    share: float, n: int, more: int, split: str
) -> None:
    task = task_of("Z13")
    n = min(n, most_balanced(task))
    codes, labels = training_set(task, split, 3, n, share)
    clean_codes, clean = training_set(task, split, 3, n)
    assert np.array_equal(codes, clean_codes)
    assert np.array_equal(codes, np.sort(split_order(task, 3, split)[:n]))
    assert np.array_equal(clean, task.targets[codes])
    assert np.sum(labels != clean) == np.floor(share * n + 0.5)
    assert ((labels >= 0) & (labels < 13)).all()
    larger = min(n + more, most_balanced(task))
    more_codes, more_labels = training_set(task, split, 3, larger, share)
    assert np.array_equal(more_labels[np.isin(more_codes, codes)], labels)


def test_wrong_labels_are_spread_over_all_other_classes() -> None:
    task = task_of("Z5")
    shifts = np.zeros(5)
    for seed in range(400):
        codes, labels = training_set(task, "uniform", seed, 20, 0.5)
        shifts += np.bincount((labels - task.targets[codes]) % 5, minlength=5)
    assert shifts[0] == 4000
    assert np.abs((shifts[1:] - 1000) / np.sqrt(750)).max() < 4


def test_more_pairs_than_a_split_has_are_refused() -> None:
    with pytest.raises(ValueError, match="100 training tuples; this balanced split has 88"):
        training_set(task_of("Z11"), "balanced", 0, 100)
