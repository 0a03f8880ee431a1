"""The data folder: what lies where, who may write it, and how to reach the server that does."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from spanledger.cli.errors import UserError
from spanledger.store.syncing import sync_folder, write_private

_SECRET_BYTES = 32


class FolderBusy(UserError):  # noqa: N818 - it is what the user is told
    """Another process writes this data folder."""


class ServerInfo(NamedTuple):
    """A running server: its process, and where it listens as host:port (None: not on that protocol).

    `certificate` is the path of its TLS certificate; None where it does not encrypt.
    """

    pid: int
    grpc: str | None
    http: str | None
    certificate: str | None = None


class FolderLock(NamedTuple):
    """The held lock. Its descriptor can be inherited: the lock is free only when every holder of it has ended."""

    descriptor: int


class DataFolder:
    """The paths of one data folder and the few files in it that are the command line's own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = path / "journal"
        self.archive = path / "archive"
        self.quarantine = path / "quarantine.jsonl"
        self._lock = path / "server.lock"
        self._secret = path / "secret"
        self._server = path / "server.json"

    def create(self) -> None:
        """Make the folder, readable by its owner only; an existing one stays as it is."""
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"{self.path} is a file, not a data folder: choose another place with --data")
        missing = [each for each in (self.path, *self.path.parents) if not each.exists()]
        for each in reversed(missing):  # durably: a folder that a power cut takes would take what was acknowledged along
            each.mkdir(mode=0o700 if each == self.path else 0o777, exist_ok=True)
            sync_folder(each.parent)

    def secret(self) -> bytes:
        """The key of the pruning hashes, made on first use. Only the process that holds the lock may make it."""
        try:
            found = self._secret.read_bytes()
        except FileNotFoundError:
            found = secrets.token_bytes(_SECRET_BYTES)
            write_private(self._secret, found)
        if len(found) != _SECRET_BYTES:
            raise UserError(f"{self._secret} is damaged: restore it, or delete it to start with new prompt hashes")
        return found

    @contextmanager
    def writing(self, *, wait_seconds: float = 0.0) -> Iterator[FolderLock]:
        """Hold the folder as its one writer; FolderBusy says who has it."""
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            deadline = time.monotonic() + wait_seconds
            while not _try_lock(descriptor):
                if time.monotonic() >= deadline:
                    raise FolderBusy(self._who_has_it())
                time.sleep(0.05)
            yield FolderLock(descriptor)
        finally:
            os.close(descriptor)

    def _who_has_it(self) -> str:
        server = self._read_server()
        if server is None:
            return f"another spanledger process is writing {self.path}: wait until it has finished"
        return (
            f"a server (pid {server.pid}, gRPC {server.grpc or 'off'}, HTTP {server.http or 'off'}) already keeps {self.path}: "
            "stop it first, or choose another folder with --data"
        )

    def held(self) -> bool:
        """Whether some process writes the folder at this moment."""
        try:
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not _try_lock(descriptor)
        finally:
            os.close(descriptor)

    def server(self) -> ServerInfo | None:
        """The server that keeps this folder, if one runs."""
        return self._read_server() if self.held() else None

    def _read_server(self) -> ServerInfo | None:
        try:
            said = json.loads(self._server.read_text("utf-8"))
            return ServerInfo(int(said["pid"]), said["grpc"], said["http"], said.get("certificate"))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def announce(self, server: ServerInfo) -> None:
        """Tell other commands where the server listens."""
        write_private(self._server, (json.dumps(server._asdict()) + "\n").encode())

    def withdraw(self) -> None:
        """The server no longer listens."""
        self._server.unlink(missing_ok=True)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
