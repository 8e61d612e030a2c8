"""Which tuples of operands are trained on, and with which labels."""

import numpy as np
from numpy.typing import NDArray

from sweeper.tasks.balanced import balanced_order
from sweeper.tasks.streams import random_order, random_words
from sweeper.tasks.task import Task

Codes = NDArray[np.int64]


def split_order(task: Task, split_seed: int, split: str = "uniform") -> Codes:
    """Tuples in a random order; the first n are the training set.

    The order depends on the task, the kind of split and the seed alone, so that a larger n_train
    contains the smaller one, whatever the other axes.

    Args:
        task: What is learned.
        split_seed: Names the stream.
        split: "uniform": all tuples, every order as likely as any other. "balanced": pairs such
            that at every n each left operand, right operand and target is as frequent as any
            other of its kind, up to one (`sweeper.tasks.balanced`).

    Returns:
        Codes of tuples, (tuples,) int64; of a balanced split as many as it can order.

    Raises:
        ValueError: The task has no balanced split.
    """
    if split == "balanced":
        return balanced_order(task, split_seed)
    return task.valid[random_order(f"split/{split}/{task.name}/{split_seed}", task.tuples)]


def training_set(
    task: Task, split: str, split_seed: int, n_train: int, label_noise: float = 0.0
) -> tuple[Codes, Codes]:
    """The training tuples and their labels.

    A share of the labels is wrong: each of these is one of the M − 1 other classes, all as likely.
    Of the first n tuples of the split, for every n, exactly label_noise·n (rounded) are wrong, and
    whether a tuple is, and what its label then is, does not depend on n: a threshold in n is then
    not blurred by how many wrong labels a draw happens to hold, and more data leaves what was there
    as it was. The tuples with wrong labels at another share are others.

    Args:
        task: What is learned.
        split: Kind of split.
        split_seed: Names the streams of the split and of the wrong labels.
        n_train: n.
        label_noise: Share of wrong labels, at least 0 and below 1.

    Returns:
        (n,) int64 codes, ascending, and (n,) int64 labels.

    Raises:
        ValueError: The split has fewer tuples.
    """
    order = split_order(task, split_seed, split)
    if n_train > len(order):
        raise ValueError(f"{n_train} training tuples; this {split} split has {len(order)}")
    codes = order[:n_train]
    labels = task.targets[codes]
    if label_noise:
        # the n-th tuple is wrong where the rounded share·n goes up
        counts = np.floor(label_noise * np.arange(n_train + 1) + 0.5)
        wrong = np.diff(counts) > 0
        words = random_words(f"noise/{task.name}/{split_seed}", len(task.targets))[codes]
        shifts = 1 + (words % np.uint64(task.order - 1)).astype(np.int64)
        labels = np.where(wrong, (labels + shifts) % task.order, labels)
    ascending = np.argsort(codes)
    return codes[ascending], labels[ascending]
