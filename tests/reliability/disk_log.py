"""Records what a process asks of its disk, call by call, so that every moment at which the power could fail can be tried afterwards.

`install` replaces the calls of the `os` module before anything of ours is imported, so nothing can go past it; what native code has
written meanwhile (Arrow's Parquet files) is found by looking into the file at its next call. SQLite is trusted to keep what it has
committed: of its file there is a picture after each transaction.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

Kind = Literal["mkdir", "create", "write", "truncate", "sync", "rename", "unlink", "sync_directory", "meta", "durable", "acknowledged"]


class Op(NamedTuple):
    """One thing asked of the disk. Paths are relative to the root; a file keeps its `number` when it is renamed."""

    kind: Kind
    path: str = ""
    number: int = 0
    offset: int = 0
    data: bytes = b""
    other: str = ""


class Recorder:
    """The log, and the files as the process sees them."""

    UNMODELLED = ("meta.sqlite", "lock", "durable")

    def __init__(self, root: Path, broken: str) -> None:
        self.root = root.resolve()
        self.ops: list[Op] = []
        self.broken = broken
        self._numbers: dict[str, int] = {}
        self._contents: dict[int, bytes] = {}
        self._durable = b""
        self.guard = threading.RLock()

    def path_of(self, target: Any) -> str | None:
        """The path, relative to the root, of a path or of an open file; None for what is not modelled."""
        if isinstance(target, int):
            target = _name_of(target)
        path = os.path.join(os.path.realpath(os.path.dirname(os.path.abspath(target))), os.path.basename(target))  # noqa: PTH118, PTH120, PTH100, PTH119 - pathlib calls what is recorded here
        if not path.startswith(f"{self.root}/"):
            return None
        relative = path[len(str(self.root)) + 1 :]
        name = relative.rpartition("/")[2]
        return None if any(part in name for part in self.UNMODELLED) else relative

    def add(self, kind: Kind, path: str = "", **about: Any) -> None:
        """Note an operation that was done, and the announced end of the journal if it has moved."""
        self.ops.append(Op(kind, path, **about))

    def look(self, path: str) -> int:
        """Note what has been written to a file since it was last looked at; its number."""
        number = self._numbers.get(path)
        if number is None:
            number = self._numbers[path] = len(self._contents) + 1
            self._contents[number] = b""
            self.add("create", path, number=number)
        handle = _REAL["open"](self.root / path, os.O_RDONLY)
        try:
            now = b"".join(iter(lambda: os.read(handle, 1 << 20), b""))
        finally:
            _REAL["close"](handle)
        before = self._contents[number]
        if len(now) < len(before):
            self.add("truncate", path, number=number, offset=len(now))
            before = before[: len(now)]
        if now != before:
            at = next((i for i, (a, b) in enumerate(zip(before, now, strict=False)) if a != b), len(before))
            self.add("write", path, number=number, offset=at, data=now[at:])
        self._contents[number] = now
        return number

    def moved(self, source: str | None, target: str | None) -> None:
        """A file has got another name."""
        if source is not None and target is not None:
            self._numbers[target] = self._numbers.pop(source)
            self.add("rename", source, other=target)

    def gone(self, path: str) -> None:
        """A file has lost its name."""
        self._numbers.pop(path, None)
        self.add("unlink", path)

    def watch_durable(self) -> None:
        """Note the announced end of the journal if it has moved: it is memory that the system writes out when it likes."""
        for path in self.root.glob("*/journal/durable"):
            handle = _REAL["open"](path, os.O_RDONLY)
            now = os.read(handle, 8)
            _REAL["close"](handle)
            if now != self._durable:
                self._durable = now
                self.add("durable", path.relative_to(self.root).as_posix(), data=now)


_REAL: dict[str, Callable[..., Any]] = {
    name: getattr(os, name)
    for name in ("open", "close", "write", "writev", "pwrite", "ftruncate", "fsync", "fdatasync", "rename", "replace", "unlink", "mkdir")
}


def install(root: Path, broken: str = "") -> Recorder:
    """Record from now on. `broken` names a guard to switch off: calls that sync what it says do nothing."""
    log = Recorder(root, broken)
    for name in ("write", "writev", "pwrite", "ftruncate"):
        setattr(os, name, _written(log, name))
    for name in ("fsync", "fdatasync"):
        setattr(os, name, _synced(log, name))
    for name in ("rename", "replace"):
        setattr(os, name, _renamed(log, name))
    for name, call in (("open", _opened(log)), ("unlink", _unlinked(log)), ("remove", _unlinked(log)), ("mkdir", _made(log))):
        setattr(os, name, call)
    _watch_sqlite(log)
    return log


def _written(log: Recorder, name: str) -> Callable[..., Any]:
    def call(descriptor: int, *args: Any) -> Any:
        with log.guard:
            done = _REAL[name](descriptor, *args)
            if (path := log.path_of(descriptor)) is not None:
                log.look(path)
            log.watch_durable()
            return done

    return call


def _opened(log: Recorder) -> Callable[..., int]:
    def call(target: Any, flags: int, *args: Any, **more: Any) -> int:
        with log.guard:
            handle: int = _REAL["open"](target, flags, *args, **more)
            path = log.path_of(target) if flags & (os.O_CREAT | os.O_TRUNC) else None
            if path is not None:
                log.look(path)
            return handle

    return call


def _synced(log: Recorder, name: str) -> Callable[[int], None]:
    def call(descriptor: int) -> None:
        with log.guard:
            path = "" if _name_of(descriptor) == str(log.root) else log.path_of(descriptor)
            is_folder = path is not None and (log.root / path).is_dir()
            number = log.look(path) if path and not is_folder else 0
            kind: Kind = "sync_directory" if is_folder else "sync"
            if path is not None and log.broken and f"{kind}:{path}".startswith(log.broken):
                return
            _REAL[name](descriptor)
            if path is not None:
                log.add(kind, path, number=number)

    return call


def _renamed(log: Recorder, name: str) -> Callable[..., None]:
    def call(source: Any, target: Any, **more: Any) -> None:
        with log.guard:
            old, new = log.path_of(source), log.path_of(target)
            if old is not None:
                log.look(old)
            _REAL[name](source, target, **more)
            log.moved(old, new)

    return call


def _unlinked(log: Recorder) -> Callable[..., None]:
    def call(target: Any, **more: Any) -> None:
        with log.guard:
            path = log.path_of(target)
            _REAL["unlink"](target, **more)
            if path is not None:
                log.gone(path)

    return call


def _made(log: Recorder) -> Callable[..., None]:
    def call(target: Any, *args: Any, **more: Any) -> None:
        with log.guard:
            _REAL["mkdir"](target, *args, **more)
            if (path := log.path_of(target)) is not None:
                log.add("mkdir", path)

    return call


def _name_of(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def _watch_sqlite(log: Recorder) -> None:
    real = sqlite3.connect

    class Watched(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            if sql != "COMMIT":
                return super().execute(sql, *args)
            with log.guard:
                done = super().execute(sql)
                log.add("meta", data=self.serialize())
                return done

    def connect(*args: Any, **more: Any) -> sqlite3.Connection:
        return real(*args, factory=Watched, **more)

    sqlite3.connect = connect  # type: ignore[assignment]  # the same call, with a class that tells of its commits
