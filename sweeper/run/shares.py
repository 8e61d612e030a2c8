"""Which part of a GPU a pack asks for, so that several share a card and none runs out of memory."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sweeper.run.packs import GPU_PACK_SIZE, SHAPE, Pack
from sweeper.run.worker import import_modules
from sweeper.spec.model import LEAST_SHARE
from sweeper.spec.trial import trials

CONTEXT_BYTES = 0.6e9
"""What a process takes of a card before it has computed anything: CUDA's context and libraries."""

USED = 0.8
"""Of what it may take a process plans with so much; the rest is for what estimates leave out."""


@dataclass(frozen=True)
class Shares:
    """The shares of packs.

    Attributes:
        shapes: Of each row of the plan, the number of its shape.
        sizes: Of packs, ascending.
        shares: Of a card, (shapes, sizes): in steps of LEAST_SHARE, rounded up.
    """

    shapes: NDArray[np.int64]
    sizes: NDArray[np.int64]
    shares: NDArray[np.float64]

    def of(self, pack: Pack) -> float:
        """The share of a card that a pack asks for, that of the next larger size in the table."""
        size = min(int(np.searchsorted(self.sizes, len(pack.rows))), len(self.sizes) - 1)
        return float(self.shares[self.shapes[pack.rows[0]], size])


def share_of(needed_bytes: float, card_bytes: float) -> float:
    """Of a card, for a batch of so many bytes: in steps of LEAST_SHARE, rounded up, 1 at most.

    A pack that needs more than a card is trained in smaller batches.
    """
    steps = math.ceil((needed_bytes / USED + CONTEXT_BYTES) / card_bytes / LEAST_SHARE - 1e-9)
    return min(1.0, max(1, steps) * LEAST_SHARE)


def largest_of_shapes(plan: pa.Table) -> tuple[NDArray[np.int64], pa.Table]:
    """Of each row the number of its shape, and of each shape the row with the largest n_train."""
    frame = plan.select([*SHAPE, "n_train"]).to_pandas()
    groups = frame.groupby(SHAPE, sort=False)
    shapes = groups.ngroup().to_numpy()
    return shapes, plan.take(groups["n_train"].idxmax().to_numpy())


def pack_sizes(pack_size: int | None) -> NDArray[np.int64]:
    """Powers of two up to the largest pack, and that one."""
    most = pack_size or GPU_PACK_SIZE
    return np.unique([*(2**i for i in range(most.bit_length())), most])


def estimates(
    largest: pa.Table, sizes: NDArray[np.int64], modules: Mapping[str, str]
) -> NDArray[np.float64]:
    """Memory of packs on a GPU, in bytes; loads torch, and needs no GPU.

    Args:
        largest: One row a shape, as PLAN_SCHEMA.
        sizes: Of packs.
        modules: Texts of users' modules, by label.

    Returns:
        (shapes, sizes).
    """
    from sweeper.learn.learner import network_of

    one_each = trials(largest)
    import_modules(one_each, modules)
    networks = [network_of(trial) for trial in one_each]
    return np.array(
        [[network.batch_bytes(int(size), "cuda") for size in sizes] for network in networks],
        dtype=float,
    )
