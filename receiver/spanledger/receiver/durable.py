"""The synced end of the journal as one number in shared memory, so that a reader in another process never runs ahead of the disk.

`journal/durable` is eight bytes, mapped by the writer and by every reader; the aligned 8-byte store and load are one
instruction each. The file is only an announcement: what is really there is found by scanning the newest segment at start.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from pathlib import Path
from types import TracebackType
from typing import Self

FILE_NAME = "durable"
_SIZE = 8


class JournalLockedError(Exception):
    """Another process already writes this journal."""


class _Mapped:
    def __init__(self, descriptor: int, access: int) -> None:
        self._descriptor = descriptor
        self._map = mmap.mmap(descriptor, _SIZE, access=access)
        self._bytes = memoryview(self._map)
        self._cell = self._bytes.cast("Q")

    @property
    def position(self) -> int:
        """Everything below it is on stable storage."""
        return self._cell[0]

    def close(self) -> None:
        """Let the file go; a writer's lock goes with it."""
        self._cell.release()
        self._bytes.release()
        self._map.close()
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class DurablePublisher(_Mapped):
    """The writer's side; holding it is holding the journal's lock. Raises JournalLockedError when somebody else does."""

    def __init__(self, directory: Path) -> None:
        descriptor = os.open(directory / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise JournalLockedError(f"another process writes the journal in {directory}") from error
        if os.fstat(descriptor).st_size != _SIZE:
            os.ftruncate(descriptor, _SIZE)
        super().__init__(descriptor, mmap.ACCESS_WRITE)

    def publish(self, position: int) -> None:
        """Say that everything below `position` is on stable storage."""
        self._cell[0] = position

    def check_ours(self, position: int) -> None:
        """Raise JournalLockedError if another has taken the journal over: the lock's file is gone, or says another position than ours.

        A lock can be lost without its holder hearing of it: by hand, or on a file system that does not keep locks.
        """
        if os.fstat(self._descriptor).st_nlink == 0 or self._cell[0] != position:
            raise JournalLockedError("another process has taken the journal over; this one writes nothing more")


class DurableView(_Mapped):
    """A reader's side. Raises FileNotFoundError while nobody has ever written the journal."""

    def __init__(self, directory: Path) -> None:
        descriptor = os.open(directory / FILE_NAME, os.O_RDONLY | os.O_CLOEXEC)
        if os.fstat(descriptor).st_size != _SIZE:
            os.close(descriptor)
            raise FileNotFoundError(directory / FILE_NAME)
        super().__init__(descriptor, mmap.ACCESS_READ)
