"""The few calls through which the journal touches the disk, behind one seam, so that a disk which fails can be put in its place."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class Storage(Protocol):
    """What the journal asks of a disk. Every call may raise OSError; after one the journal trusts nothing it wrote last."""

    def create(self, path: Path) -> int:
        """Create a file that must not exist yet, readable by the owner only, and return its descriptor for appending."""
        ...

    def open_append(self, path: Path) -> int:
        """Open an existing file for appending."""
        ...

    def write(self, descriptor: int, parts: Sequence[bytes]) -> None:
        """Append all of `parts`, or raise."""
        ...

    def sync(self, descriptor: int) -> None:
        """Return once the file's bytes and size are on stable storage."""
        ...

    def truncate(self, path: Path, size_bytes: int) -> None:
        """Cut a file and sync it."""
        ...

    def rename(self, source: Path, target: Path) -> None:
        """Move a file within a folder."""
        ...

    def unlink(self, path: Path) -> None:
        """Delete a file."""
        ...

    def sync_directory(self, directory: Path) -> None:
        """Return once the folder's entries are on stable storage."""
        ...


class OsStorage:
    """The real disk."""

    def create(self, path: Path) -> int:
        """See Storage."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def open_append(self, path: Path) -> int:
        """See Storage."""
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)

    def write(self, descriptor: int, parts: Sequence[bytes]) -> None:
        """See Storage."""
        views = [memoryview(part) for part in parts]
        while views:
            written = os.writev(descriptor, views[:_VECTORS_MAX])
            while views and written >= len(views[0]):
                written -= len(views.pop(0))
            if written:
                views[0] = views[0][written:]

    def sync(self, descriptor: int) -> None:
        """See Storage."""
        _sync_data(descriptor)

    def truncate(self, path: Path, size_bytes: int) -> None:
        """See Storage."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.ftruncate(descriptor, size_bytes)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """See Storage."""
        source.rename(target)

    def unlink(self, path: Path) -> None:
        """See Storage."""
        path.unlink()

    def sync_directory(self, directory: Path) -> None:
        """See Storage."""
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


_VECTORS_MAX = 512  # below every platform's IOV_MAX
_sync_data = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync
