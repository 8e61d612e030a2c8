"""Ray as a driver stands on it: whether it answers, whether it lives, and what it has to say."""

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray

from sweeper.run.executor import ExecutorError

RAYLET_SECONDS = 1.0
"""Distance of two looks at whether this node's raylet lives."""


def knock(address: str) -> None:
    """Ray waits for minutes where nobody answers; a user should know at once."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise ExecutorError(f"no Ray cluster at {address}: {error}") from None


@contextmanager
def quiet(log_file: Path) -> Iterator[None]:
    """Send what Ray logs, and what its C++ core prints to this process's stderr, to a file."""
    with log_file.open("ab", buffering=0) as log:
        sys.stderr.flush()
        saved = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)


class Raylet:
    """The process of Ray that a driver cannot outlive: it is ended some 10 s after it, unheard."""

    def __init__(self) -> None:
        here = ray.get_runtime_context().get_node_id()
        (node,) = (one for one in ray.nodes() if one["NodeID"] == here)  # type: ignore[no-untyped-call]
        self._address = node["NodeManagerAddress"], node["NodeManagerPort"]
        self._asked = time.monotonic()

    @property
    def gone(self) -> bool:
        """Whether nobody listens at its port; asked no more than once in RAYLET_SECONDS."""
        now = time.monotonic()
        if now - self._asked < RAYLET_SECONDS:
            return False
        self._asked = now
        try:
            socket.create_connection(self._address, timeout=RAYLET_SECONDS).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            pass  # slow, or out of sockets: no proof
        return False
