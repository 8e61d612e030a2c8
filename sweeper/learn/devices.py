"""What trials are trained on: the CPU, or a GPU."""

import errno
import platform
import re
from functools import cache
from pathlib import Path

import torch

_LACKS_MEMORY = re.compile("allocate memory|out of memory|ALLOC_FAILED", re.IGNORECASE)


def lacks_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out, of the machine or of a GPU."""
    return (
        isinstance(error, (MemoryError, torch.OutOfMemoryError))
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        # torch raises RuntimeError on a CPU, and for what cuBLAS itself allocates
        or (isinstance(error, RuntimeError) and _LACKS_MEMORY.search(str(error)) is not None)
    )


def usable_device(wanted: str) -> str:
    """The device to train on; "auto" is a GPU where there is one, else the CPU.

    Raises:
        RuntimeError: This process cannot use the device.
    """
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=wanted)
    except (RuntimeError, AssertionError) as error:
        raise RuntimeError(f"no device {wanted} here: {error}") from error
    return wanted


def card_bytes() -> float | None:
    """Memory of the smallest GPU that this process sees, or None."""
    cards = range(torch.cuda.device_count())
    return min((float(torch.cuda.mem_get_info(card)[1]) for card in cards), default=None)


@cache
def hardware_of(device: str) -> str | None:
    """The model of a usable device, such as "NVIDIA H100 80GB HBM3"; None if unknown."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    if device != "cpu":
        return None
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    told = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(told, None) or platform.processor() or None
