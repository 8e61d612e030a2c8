"""What a training step of the two-layer net costs: operations, memory, and the size of blocks."""

import torch

from sweeper.learn.data import samples_in_step
from sweeper.spec.trial import Trial

BLOCK_ELEMENTS = {"cpu": 1 << 18, "cuda": 1 << 28}
"""Hidden activations computed at once: on a CPU few enough to stay in a core's cache between the
passes over them, on a GPU as many as keep it busy."""


def step_flops(trial: Trial) -> int:
    """Operations of the three matrix products of one training step, 6·n·K·M.

    With V solved, s the smaller of n and K: 4·n·K·M for outputs and their gradient, 2·n·K·s for the
    Gram matrix, s³/3 to factor it, 2·s²·M to solve and 2·n·K·M to apply it.
    """
    M, K, n = trial.group_order, trial.hidden_size, samples_in_step(trial)
    if not trial.ridge:
        return 6 * n * K * M
    s = min(n, K)
    return 6 * n * K * M + 2 * n * K * s + s**3 // 3 + 2 * s * s * M


def batch_bytes(trial: Trial, trials: int, device: str) -> int:
    """Memory on the device that a batch takes at its peak, if all its trials are as this one."""
    M, K, n, B = trial.group_order, trial.hidden_size, samples_in_step(trial), trials
    P = trial.operands
    T: int = M**P
    kind = device.split(":")[0]
    reduced = trial.matmul_precision == "bfloat16"
    size = 2 if reduced else 4  # of what enters the products
    rows = n if trial.ridge else block_rows(B, n, K, _dtype(reduced), kind)
    weights = (P + (not trial.ridge)) * M * K
    kept = 3 * 4 * weights + (4 + size) * M * K  # Adam's moments, V centred, its gradient
    kept += size * (n * K + n * M)  # gradient of the sums, targets
    kept += 8 * (2 * P + 1) * n + 8 * (P + 1) * M  # indices
    kept += size * rows * (K + M) + 8 * T  # a block's buffers, which tuple is train or test
    labels = 8 * T
    if trial.label_noise:
        kept, labels = kept + labels, 0  # of each trial its own
    step = size * (rows * K + weights) + (6 * weights + 4 * M * K if reduced else 0)
    if trial.ridge:  # in float64: features, labels, the Gram matrix and its factor, V
        small = min(n, K)
        step += 8 * (2 * n * (K + M) + 2 * small * small + 2 * (n + K) * M)
    step = max(step, (8 if B > 1 else 0) * weights + 4 * weights)  # Adam's temporaries
    firsts = T // M
    parts = evaluated_rows(B, firsts, M, K, kind)
    evaluation = 4 * (parts * M * (K + 2 * M) + 2 * T + M * K)
    if P > 2:
        evaluation += 4 * 2 * parts * K  # their sums but for the last operand
        labels += 8 * (P - 1) * firsts  # and what these are sums of
    return B * (kept + max(step, evaluation)) + labels + 4 * M * M


def _dtype(reduced: bool) -> torch.dtype:
    return torch.bfloat16 if reduced else torch.float32


def block_rows(B: int, N: int, K: int, dtype: torch.dtype, device: str) -> int:
    """Samples of a block: blocks are of even size, and there is but one where sums are rounded."""
    if dtype == torch.bfloat16:
        return N
    most = max(1, BLOCK_ELEMENTS[device] // (B * K))
    return -(-N // -(-N // most))


def evaluated_rows(B: int, firsts: int, M: int, K: int, device: str) -> int:
    """Values of a, or of all operands but the last, whose M tuples are evaluated at once."""
    return min(firsts, max(1, BLOCK_ELEMENTS[device] // (B * M * K)))
