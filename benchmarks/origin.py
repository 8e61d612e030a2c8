"""Where numbers come from: the command, the date, the machine, the libraries."""

import json
import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

import torch

from sweeper.store.provenance import code_version, library_versions


def origin(command: str, device: str) -> dict[str, str]:
    """What a table says about its making, in words.

    Args:
        command: That was run.
        device: A torch device.
    """
    versions: dict[str, str] = json.loads(library_versions())
    gpu = "none used" if device == "cpu" else torch.cuda.get_device_name(device)
    return {
        "command": command,
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "CPU": f"{_cpu()}, {os.cpu_count()} cores",
        "GPU": gpu,
        "code": code_version(),
        "libraries": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    return named[1] if named else platform.processor() or platform.machine()
