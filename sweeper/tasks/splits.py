"""Which of the M² pairs are trained on."""

import numpy as np
from numpy.typing import NDArray

from sweeper.tasks.groups import Group
from sweeper.tasks.streams import random_order


def split_order(group: Group, split_seed: int) -> NDArray[np.int64]:
    """All pairs of H × H in a uniformly random order; the first n are the training set.

    The order depends on the group and the seed alone, so that a larger n_train contains the
    smaller one, whatever the other axes.

    Returns:
        (M²,) int64; pair p stands for (a, b) = (p // M, p % M).
    """
    return random_order(f"split/uniform/{group.name}/{split_seed}", group.order**2)
