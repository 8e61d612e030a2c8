"""One driver at a time in a results folder: who holds it, since when, and whether that one lives.

On a local disk the lock is the operating system's, which frees it when its owner dies. Elsewhere,
and where a file system has no such locks, drivers leave claims that they rewrite while they live.
"""

import errno
import fcntl
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import pyarrow.fs as pafs

from sweeper.store.errors import ResultsError

BEAT_SECONDS = 3.0
"""Distance of two beats of a claim."""
SILENT_SECONDS = 30.0
"""A claim that has not changed for so long is a dead driver's."""

_LOCK_FILE = "driver.lock"
_NO_LOCKS_HERE = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK}

Check = Callable[[], None]
"""Raises ResultsError if another driver has taken the folder over."""


@contextmanager
def locked(
    filesystem: pafs.FileSystem, folder: str, holder: str, say: Callable[[str], None]
) -> Iterator[Check]:
    """Be the only driver of a folder, as long as this is entered.

    Args:
        filesystem: Where it is.
        folder: Its path there.
        holder: Says who holds it and since when, for the message that another driver gets.
        say: Tells people what is waited for.

    Raises:
        ResultsError: Another live driver holds it.

    Yields:
        What to call before records are written.
    """
    if isinstance(filesystem, pafs.LocalFileSystem):
        Path(folder).mkdir(parents=True, exist_ok=True)
        with (Path(folder) / _LOCK_FILE).open("a+") as file:
            if _system_has_locks(file, folder):
                file.truncate(0)
                file.write(holder)
                file.flush()
                try:
                    yield lambda: None
                finally:
                    file.truncate(0)
                return
    with Claim(filesystem, folder, holder, say) as claim:
        yield claim.check


def local_owner(folder: Path) -> str | None:
    """Who holds the system's lock on a folder on a local disk, or None."""
    path = folder / _LOCK_FILE
    if not path.exists():
        return None
    with path.open() as file, suppress(OSError):
        return None if _flock(file, fcntl.LOCK_SH, tries=1) else file.read().strip()
    return None


def at_work(
    filesystem: pafs.FileSystem,
    folder: str,
    say: Callable[[str], None],
    beat_s: float = BEAT_SECONDS,
    silent_s: float = SILENT_SECONDS,
) -> str | None:
    """Who is at work in a folder, or None, for those who only look: nothing is taken or written.

    The system's lock tells at once. A claim is watched until it changes, or for `silent_s`.

    Args:
        filesystem: Where it is.
        folder: Its path there.
        say: Tells people what is waited for.
        beat_s: Distance of two beats of a claim, in seconds.
        silent_s: Time after which an unchanged claim is a dead driver's, in seconds.

    Raises:
        OSError: The store does not answer.
    """
    if isinstance(filesystem, pafs.LocalFileSystem) and (owner := local_owner(Path(folder))):
        return owner
    claims = _claims(filesystem, folder)
    for content in claims.values():
        say(_waiting(content))
    until = time.monotonic() + silent_s
    while claims and time.monotonic() < until:
        time.sleep(beat_s / 4)
        now = _claims(filesystem, folder)
        for name, content in now.items():
            if content != (before := claims.get(name, b"")):
                told = _parsed(before) | _parsed(content)  # one may be half-written
                return str(told.get("holder", "another driver"))
        claims = now
    return None


class Claim:
    """A driver's claim on a folder of a store that knows no locks: a file that it keeps rewriting.

    No clocks are compared and no modification times are read: a claim lives if its content changes
    while another driver watches it, by that one's monotonic clock. Who finds a live claim that
    holds the folder withdraws; of two that come at once, the one with the larger name does. Each
    writes its claim before it lists the others', so that at least one sees both. A claim that stays
    the same for SILENT_SECONDS is buried: a file beside it says so for good, which its owner,
    should it wake, finds before it writes another shard.

    Guaranteed on stores whose listings show what was written before (S3, GCS, Azure, HDFS): never
    two drivers, unless one is silent for SILENT_SECONDS and wakes in the moment between its last
    look and the end of the write that follows. Its shard may then hold trials that the other runs
    again: reading refuses such a folder, it never counts them twice.
    """

    def __init__(
        self,
        filesystem: pafs.FileSystem,
        folder: str,
        holder: str,
        say: Callable[[str], None] = lambda text: None,
        beat_s: float = BEAT_SECONDS,
        silent_s: float = SILENT_SECONDS,
    ) -> None:
        """Nothing is claimed before it is entered.

        Args:
            filesystem: Where the folder is.
            folder: Its path there.
            holder: Says who claims it and since when.
            say: Tells people what is waited for.
            beat_s: Distance of two beats, in seconds.
            silent_s: Time after which an unchanged claim is a dead driver's, in seconds.
        """
        self._filesystem, self._folder, self._holder, self._say = filesystem, folder, holder, say
        self._beat_s, self._silent_s = beat_s, silent_s
        self.name = secrets.token_hex(8)
        self._holding = False
        self._beats = 0
        self._writing = threading.Lock()
        self._ending = threading.Event()
        self._clock = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        """Claim the folder, and wait until it is sure to be this driver's.

        Raises:
            ResultsError: Another live driver holds or claims it.
            OSError: The store does not answer.
        """
        self._filesystem.create_dir(f"{self._folder}/lock")
        self._tell()
        self._clock.start()
        try:
            self._outwait()
            self._holding = True
            self._tell()
            self.check()
        except BaseException:
            self._withdraw()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._withdraw()

    def check(self) -> None:
        """Look whether this claim still stands.

        Raises:
            ResultsError: It was buried.
            OSError: The store does not answer.
        """
        by = _read(self._filesystem, f"{self._folder}/lock/{self.name}.over")
        if by is not None:
            raise ResultsError(
                f"{self._folder}: taken over by {by.decode()}, while nothing was heard of this "
                "driver; what it had not written is left to that one"
            )

    def _outwait(self) -> None:
        """Return when there is no other claim that lives."""
        changed: dict[str, tuple[bytes, float]] = {}
        buried = False
        while True:
            others = self._others()
            if not others and not buried:
                return
            if not others:  # a shard that its owner was writing may still arrive
                buried = False
                time.sleep(self._beat_s)
                continue
            for name, content in others.items():
                if name not in changed:
                    changed[name] = content, time.monotonic()
                    self._say(_waiting(content))
                elif content != changed[name][0]:
                    self._yield_to(name, _parsed(content))
                    changed[name] = content, time.monotonic()
                elif time.monotonic() - changed[name][1] > self._silent_s:
                    self._write(f"{name}.over", self._holder.encode())
                    buried = True
            time.sleep(self._beat_s / 4)

    def _yield_to(self, name: str, claim: dict[str, Any]) -> None:
        if claim and (claim["holding"] or name < self.name):
            raise ResultsError(f"{self._folder}: in use by {claim['holder']}")

    def _others(self) -> dict[str, bytes]:
        claims = _claims(self._filesystem, self._folder)
        return {name: content for name, content in claims.items() if name != self.name}

    def _beat(self) -> None:
        while not self._ending.wait(self._beat_s):
            with suppress(OSError):  # the next one may come through
                self._tell()

    def _tell(self) -> None:
        with self._writing:
            if self._ending.is_set():
                return
            self._beats += 1
            told = {"holder": self._holder, "holding": self._holding, "beat": self._beats}
            self._write(f"{self.name}.claim", json.dumps(told).encode())

    def _withdraw(self) -> None:
        self._ending.set()
        self._clock.join()
        with suppress(OSError):  # else others wait until it is buried
            self._filesystem.delete_file(f"{self._folder}/lock/{self.name}.claim")

    def _write(self, name: str, content: bytes) -> None:
        with self._filesystem.open_output_stream(f"{self._folder}/lock/{name}") as stream:
            stream.write(content)


def _claims(filesystem: pafs.FileSystem, folder: str) -> dict[str, bytes]:
    """What the claims on a folder say that are not buried, by name."""
    selector = pafs.FileSelector(f"{folder}/lock", allow_not_found=True)
    names = {info.base_name for info in filesystem.get_file_info(selector)}
    claims = {name.removesuffix(".claim") for name in names if name.endswith(".claim")}
    standing = sorted(name for name in claims if f"{name}.over" not in names)
    found = {name: _read(filesystem, f"{folder}/lock/{name}.claim") for name in standing}
    return {name: content for name, content in found.items() if content is not None}


def _read(filesystem: pafs.FileSystem, path: str) -> bytes | None:
    try:
        with filesystem.open_input_stream(path) as stream:
            return bytes(stream.read())
    except FileNotFoundError:
        return None


def _waiting(content: bytes) -> str:
    who = _parsed(content).get("holder", "who claims this folder")
    return f"waiting to see whether {who} lives"


def _parsed(content: bytes) -> dict[str, Any]:
    """What a claim says; one that is just being written to a disk says nothing."""
    with suppress(ValueError):
        return dict(json.loads(content))
    return {}


def _system_has_locks(file: IO[str], folder: str) -> bool:
    """Take the system's lock, or tell that this file system has none.

    Raises:
        ResultsError: Another process holds it.
    """
    try:
        if _flock(file, fcntl.LOCK_EX):
            return True
    except OSError as error:
        if error.errno in _NO_LOCKS_HERE:
            return False
        raise
    file.seek(0)
    raise ResultsError(f"{folder}: in use by {file.read().strip()}")


def _flock(file: IO[str], kind: int, tries: int = 10) -> bool:
    """Take a lock, or tell that it is not to be had; who only asks holds it for a moment."""
    for _ in range(tries):
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return True
    return False
