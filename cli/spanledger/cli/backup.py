"""`backup` and `restore`: a data folder, also of a running server, as a copy that is whole at one commit and can prove it.

The metastore is copied first and says which files belong to the copy. Then come those files, the chain, the journal and its archive: they
may have grown since, which does no harm, because what lies beyond the copied commit is taken in (journal) or cut off (chain) when the
copy is opened. While a backup runs, compaction waits, so that no file of it goes away.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

from spanledger.cli.errors import UserError
from spanledger.cli.times import utc_text
from spanledger.receiver.durable import FILE_NAME as DURABLE
from spanledger.store.compact import LEASE, LEASE_SECONDS
from spanledger.store.errors import LedgerBusyError
from spanledger.store.leases import end_lease, take_lease
from spanledger.store.metastore import FILE_NAME, Metastore
from spanledger.store.snapshots import Snapshot, copy_metastore, read_snapshot
from spanledger.store.syncing import sync_folder

MANIFEST: Final = "backup.json"
FORMAT: Final = 1
_CHUNK: Final = 1 << 20
_LEASE_WAIT_SECONDS: Final = 60.0
_NOT_COPIED: Final = frozenset({"server.json", "server.lock", "lock", MANIFEST, FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm"})
_NOT_ENTERED: Final = frozenset({"tmp", "events", "spans"})
Progress = Callable[[int, int], None]
"""Told (bytes done, bytes in all)."""


def _nobody(_done: int, _total: int) -> None:
    """Nobody watches."""


class Done(NamedTuple):
    """What was copied."""

    files: int
    size_bytes: int
    commit: int
    entries: int

    def text(self, verb: str) -> str:
        """The one line that is printed at the end."""
        ledger = f"the ledger up to commit {self.commit:,} ({self.entries:,} entries)"
        return f"{verb} {self.files:,} files, {self.size_bytes / (1 << 20):,.1f} MiB: {ledger}"


def back_up(data: Path, target: Path, progress: Progress = _nobody) -> Done:
    """Copy the data folder into the new folder `target`. UserError if it exists, or there is no ledger."""
    _must_be_free(target)
    with _whole_or_not_at_all(target) as made, _without_compaction(data) as renew:
        snapshot = copy_metastore(data, made)
        sources = [*((data / path, path) for path in snapshot.files), *_others(data)]
        total = sum(_size(path) for path, _ in sources)
        files = [_described(made / FILE_NAME, FILE_NAME)]
        done = 0
        for path, relative in sources:
            renew()
            copied = _copy(path, made / relative, must_exist=relative in snapshot.files)
            if copied is not None:
                files.append({"path": relative, **copied})
                done += copied["bytes"]
                progress(done, max(total, done))
        _write(made / MANIFEST, json.dumps(_manifest(snapshot, files), indent=1).encode() + b"\n")
        _sync_folders(made)
    return Done(len(files), sum(file["bytes"] for file in files), snapshot.commit.number, snapshot.commit.entries_total)


def restore(source: Path, data: Path, progress: Progress = _nobody) -> Done:
    """Make a data folder of a backup, every file checked against the digest that was taken of it. UserError if one is not right."""
    manifest = read_manifest(source)
    _must_be_free(data)
    total = sum(int(file["bytes"]) for file in manifest["files"])
    done = 0
    with _whole_or_not_at_all(data) as made:
        for file in manifest["files"]:
            relative = str(file["path"])
            copied = _copy(source / relative, made / relative, must_exist=False)
            if copied is None or copied["sha256"] != file["sha256"]:
                raise UserError(
                    f"the backup {source} is damaged: {relative} is {'missing' if copied is None else 'not what was backed up'}"
                )
            done += copied["bytes"]
            progress(done, total)
        snapshot = read_snapshot(made)
        if [snapshot.commit.number, snapshot.commit.entries_total] != [manifest["commit"], manifest["entries"]]:
            raise UserError(f"the backup {source} is damaged: its metastore is at another commit than its list of files")
        _sync_folders(made)
    return Done(len(manifest["files"]), done, snapshot.commit.number, snapshot.commit.entries_total)


def read_manifest(source: Path) -> dict[str, Any]:
    """The list of a backup's files. UserError if the folder is no backup, or one that this version cannot read."""
    try:
        manifest = json.loads((source / MANIFEST).read_bytes())
        found = manifest["format"]
        names = [Path(str(file["path"])) for file in manifest["files"] if file["sha256"] and int(file["bytes"]) >= 0]
        complete = {"commit", "entries"} <= manifest.keys()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{source} is no backup: it has no {MANIFEST} that can be read") from error
    if found != FORMAT:
        raise UserError(f"{source} was written by another version of spanledger (format {found}, this one knows {FORMAT})")
    if not complete or any(name.is_absolute() or ".." in name.parts for name in names):
        raise UserError(f"{source} is no backup: its {MANIFEST} is damaged")
    return dict(manifest)


def _manifest(snapshot: Snapshot, files: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "spanledger": version("spanledger"),
        "created": utc_text(time.time_ns()),
        "commit": snapshot.commit.number,
        "entries": snapshot.commit.entries_total,
        "journal_position": snapshot.commit.position,
        "files": files,
    }


def _must_be_free(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists and is not empty: choose another place")


@contextmanager
def _whole_or_not_at_all(target: Path) -> Iterator[Path]:
    """A folder beside `target` that takes its name once the block is through; it is removed if the block fails."""
    made = target.with_name(f".{target.name}.{os.getpid()}.partial")
    target.parent.mkdir(parents=True, exist_ok=True)
    made.mkdir(mode=0o700)
    try:
        yield made
        made.rename(target)  # over an empty folder, too
        sync_folder(target.parent)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


@contextmanager
def _without_compaction(data: Path) -> Iterator[Callable[[], None]]:
    """Hold the compaction's lease, so that no live file is deleted meanwhile; call the result now and then to go on holding it."""
    holder = f"backup-{os.getpid()}-{time.monotonic_ns()}"
    with closing(_existing(data)) as store:
        _take(store, holder)
        renewed = time.monotonic()

        def renew() -> None:
            nonlocal renewed
            if time.monotonic() - renewed > LEASE_SECONDS / 4:
                take_lease(store, LEASE, holder, LEASE_SECONDS)
                renewed = time.monotonic()

        try:
            yield renew
        finally:
            end_lease(store, LEASE, holder)


def _existing(data: Path) -> Metastore:
    Metastore.open(data, read_only=True).close()  # says it if there is none, instead of making one
    return Metastore.open(data)


def _take(store: Metastore, holder: str) -> None:
    deadline = time.monotonic() + _LEASE_WAIT_SECONDS
    while True:
        try:
            take_lease(store, LEASE, holder, LEASE_SECONDS)
        except LedgerBusyError as error:
            if time.monotonic() > deadline:
                raise UserError("a compaction, or another backup, is at work: try again when it has finished") from error
            time.sleep(0.2)
        else:
            return


def _others(data: Path) -> list[tuple[Path, str]]:
    """Everything in the folder that is neither the metastore nor a data file: chain, journal, archive, secret, …

    The journal's announcement of how far it is synced before the journal, which then reaches at least that far; the journal before the
    archive, where a segment is found that is packed meanwhile.
    """
    found = []
    for path in sorted(data.rglob("*"), key=lambda path: (path.name != DURABLE, path.relative_to(data).parts[0] == "archive", path)):
        relative = path.relative_to(data)
        hidden = any(part.startswith(".") for part in relative.parts)
        if hidden or relative.parts[0] in _NOT_ENTERED or relative.name in _NOT_COPIED or path.is_symlink() or not path.is_file():
            continue
        found.append((path, relative.as_posix()))
    return found


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _copy(source: Path, target: Path, *, must_exist: bool) -> dict[str, Any] | None:
    """Copy one file durably; its size and digest. None for one that went away and may, as packed journal segments do."""
    try:
        reading = source.open("rb")
    except FileNotFoundError:
        if must_exist:
            raise
        return None
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with reading, os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as writing:
        while chunk := reading.read(_CHUNK):
            writing.write(chunk)
            digest.update(chunk)
            size += len(chunk)
        writing.flush()
        os.fsync(writing.fileno())
    return {"bytes": size, "sha256": digest.hexdigest()}


def _described(path: Path, relative: str) -> dict[str, Any]:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return {"path": relative, "bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folders(root: Path) -> None:
    for folder in _folders(root):
        sync_folder(folder)


def _folders(root: Path) -> Iterable[Path]:
    return [root, *(path for path in root.rglob("*") if path.is_dir())]
