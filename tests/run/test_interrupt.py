"""A wish to end well, whenever it comes."""

import io
import os
import signal

import pytest

from sweeper.run.interrupt import Interrupt


class Interrupted(io.RawIOBase):
    """A stream at whose first write Ctrl-C is pressed."""

    def __init__(self) -> None:
        super().__init__()
        self.text = b""

    def writable(self) -> bool:
        return True

    def write(self, content: object) -> int:
        taken = bytes(content)  # type: ignore[call-overload]
        first, self.text = not self.text, self.text + taken
        if first:
            os.kill(os.getpid(), signal.SIGINT)
        return len(taken)


def test_a_signal_while_a_line_is_written_is_a_wish_and_no_error() -> None:
    """Python refuses a handler's write to the stream that is just being written to."""
    raw = Interrupted()
    stream = io.BufferedWriter(raw)

    def say(text: bytes) -> None:
        stream.write(text)
        stream.flush()

    with Interrupt(lambda: say(b"ending\n")) as interrupt:
        say(b"a line\n")
        assert interrupt.signalled
        assert interrupt.requested
        assert raw.text == b"a line\nending\n"
        assert interrupt.requested
        assert raw.text == b"a line\nending\n"


def test_a_second_signal_insists() -> None:
    said: list[str] = []
    with Interrupt(lambda: said.append("ending")):
        os.kill(os.getpid(), signal.SIGTERM)
        assert said == ["ending"]
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert said == ["ending"]


def test_the_end_of_the_time_is_told_once() -> None:
    said: list[str] = []
    with Interrupt(lambda: said.append("ending"), 0.0) as interrupt:
        assert interrupt.requested
        assert interrupt.requested
    assert (interrupt.late, interrupt.signalled, said) == (True, False, ["ending"])
