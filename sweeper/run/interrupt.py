"""Ctrl-C, or the end of the time given, as a wish to end well; a second Ctrl-C insists."""

import math
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupt:
    """While entered, SIGINT and SIGTERM are wishes to end; a second one raises KeyboardInterrupt.

    Attributes:
        signalled: Whether one of them came.
        late: Whether the time was up before.
    """

    def __init__(self, announce: Callable[[], None], seconds: float = math.inf) -> None:
        """Nothing happens before it is entered.

        Args:
            announce: Called when an end is wished for the first time.
            seconds: Time from now until that happens by itself.
        """
        self.signalled = self.late = False
        self._deadline = time.monotonic() + seconds
        self._announce = announce
        self._untold = False
        self._before: dict[int, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether an end is wished for."""
        if not self.signalled and not self.late and time.monotonic() >= self._deadline:
            self.late = True
            self._announce()
        if self._untold:
            self._untold = False
            self._announce()
        return self.signalled or self.late

    def __enter__(self) -> Self:
        """Take over the signals, where this is the main thread; elsewhere it cannot be done."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signalled:
            raise KeyboardInterrupt
        self.signalled = True
        try:
            self._announce()
        except RuntimeError:  # came within a write to the stream that it is said to: say it later
            self._untold = True
