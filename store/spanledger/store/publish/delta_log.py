"""A Delta log, read and written so that a version is either wholly there, durably, or not at all.

A version is written aside, synced, and linked to its name, which fails if another has taken it: readers never see half of one, and
two writers cannot both write it. Every so often a checkpoint sums the log up, and what lies before it goes after a while.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from spanledger.store.crash import crash_point
from spanledger.store.errors import PublishError
from spanledger.store.syncing import sync_folder

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER: Final = "_delta_log"
CHECKPOINT_EVERY: Final = 50
"""Versions; a reader reads the checkpoint and at most so many more."""

_LAST: Final = "_last_checkpoint"
_NAME: Final = re.compile(r"(\d{20})(\.json|\.checkpoint\.parquet)")
Action = dict[str, Any]


class LogState:
    """What the table is at a version: its files, those removed lately, and how far the ledger has been told. Version -1: no table yet."""

    def __init__(self) -> None:
        self.version = -1
        self.protocol: Action = {}
        self.metadata: Action = {}
        self.transactions: dict[str, Action] = {}
        self.added: dict[str, Action] = {}
        self.removed: dict[str, Action] = {}

    def apply(self, version: int, actions: Iterable[Action]) -> None:
        """Take in a version."""
        for action in actions:
            for name, told in action.items():
                self._apply(name, told)
        self.version = version

    def _apply(self, name: str, told: Action) -> None:
        match name:
            case "add":
                self.added[told["path"]] = told
                self.removed.pop(told["path"], None)
            case "remove":
                self.added.pop(told["path"], None)
                self.removed[told["path"]] = told
            case "txn":
                self.transactions[told["appId"]] = told
            case "metaData":
                self.metadata = told
            case "protocol":
                self.protocol = told

    def forget_removed(self, before_ms: int) -> None:
        """Drop the records of files removed before then: nobody reads them any more."""
        self.removed = {path: told for path, told in self.removed.items() if told["deletionTimestamp"] >= before_ms}


def read_state(log: Path) -> LogState:
    """The newest state of a table; version -1 if there is no log. Raises PublishError if it cannot be read."""
    state = LogState()
    names = _names(log)
    checkpoints = [version for version, suffix, _ in names if suffix == ".checkpoint.parquet"]
    try:
        if checkpoints:
            state.apply(max(checkpoints), _checkpointed(log / f"{max(checkpoints):020d}.checkpoint.parquet"))
        catch_up(log, state)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:  # ValueError: also what Arrow raises
        raise PublishError(f"the Delta log {log} is damaged ({error}); `spanledger publish delta --anew` begins another") from error
    if any(version > state.version for version, _, _ in names):
        raise PublishError(f"the Delta log {log} has a gap after version {state.version}; `spanledger publish delta --anew` begins another")
    return state


def catch_up(log: Path, state: LogState) -> None:
    """Take in the versions that have come since."""
    while True:
        try:
            text = _commit_path(log, state.version + 1).read_text("utf-8")
        except FileNotFoundError:
            return
        state.apply(state.version + 1, [json.loads(line) for line in text.splitlines()])


def put(log: Path, version: int, actions: Iterable[Action]) -> bool:
    """Write a version durably; False, and nothing written, if there is one of this number already."""
    text = "".join(json.dumps(action, separators=(",", ":"), ensure_ascii=False) + "\n" for action in actions)
    unfinished = _write_aside(log, text.encode())
    try:
        crash_point("delta_written")
        os.link(unfinished, _commit_path(log, version))
        crash_point("delta_linked")
    except FileExistsError:
        return False
    finally:
        unfinished.unlink()
    sync_folder(log)
    return True


def write_checkpoint(log: Path, state: LogState) -> None:
    """Sum the log up at the state's version. Whatever dies here leaves a log that is read as before."""
    import pyarrow as pa  # see files.write_parquet
    import pyarrow.parquet as pq  # as above

    rows = list(_rows(state))
    unfinished = _aside(log)
    pq.write_table(pa.Table.from_pylist(rows, _checkpoint_schema()), unfinished)
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.replace(log / f"{state.version:020d}.checkpoint.parquet")
    crash_point("delta_checkpointed")
    _write_aside(log, json.dumps({"version": state.version, "size": len(rows)}).encode()).replace(log / _LAST)
    sync_folder(log)


def clean(log: Path, before_ns: int) -> None:
    """Remove what was summed up before then, and what the dead left unfinished. Every later version can still be read."""
    names = _names(log)
    old = [version for version, suffix, path in names if suffix == ".checkpoint.parquet" and path.stat().st_mtime_ns < before_ns]
    for version, _, path in names:
        if old and version < max(old):
            path.unlink(missing_ok=True)
    for path in log.glob(".*.tmp"):
        if path.stat().st_mtime_ns < before_ns:
            path.unlink(missing_ok=True)


def _names(log: Path) -> list[tuple[int, str, Path]]:
    found = [(match, path) for path in log.glob("*") if (match := _NAME.fullmatch(path.name))]
    return sorted((int(match[1]), match[2], path) for match, path in found)


def _commit_path(log: Path, version: int) -> Path:
    return log / f"{version:020d}.json"


def _aside(log: Path) -> Path:
    return log / f".{secrets.token_hex(8)}.tmp"


def _write_aside(log: Path, content: bytes) -> Path:
    path = _aside(log)
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return path


def _rows(state: LogState) -> Iterator[Action]:
    yield {"protocol": state.protocol}
    told = state.metadata
    file_format = told["format"] | {"options": list(told["format"].get("options", {}).items())}
    yield {"metaData": told | {"configuration": list(told["configuration"].items()), "format": file_format}}
    for transaction in state.transactions.values():
        yield {"txn": transaction}
    for name, actions in (("add", state.added), ("remove", state.removed)):
        for action in actions.values():
            yield {name: action | {"partitionValues": list(action["partitionValues"].items()), "dataChange": False}}


def _checkpointed(path: Path) -> Iterator[Action]:
    """The actions of a checkpoint, as a version's lines have them."""
    import pyarrow.parquet as pq  # see files.write_parquet

    with pq.ParquetFile(path) as file:
        rows = file.read().to_pylist(maps_as_pydicts="strict")
    for row in rows:
        yield {name: told for name, told in row.items() if told is not None}


def _checkpoint_schema() -> pa.Schema:
    import pyarrow as pa  # see files.write_parquet

    texts = pa.map_(pa.string(), pa.string())
    file = [
        ("path", pa.string()),
        ("partitionValues", texts),
        ("size", pa.int64()),
        ("dataChange", pa.bool_()),
    ]
    table = [
        ("id", pa.string()),
        ("name", pa.string()),
        ("description", pa.string()),
        ("format", pa.struct([("provider", pa.string()), ("options", texts)])),
        ("schemaString", pa.string()),
        ("partitionColumns", pa.list_(pa.string())),
        ("configuration", texts),
        ("createdTime", pa.int64()),
    ]
    return pa.schema(
        [
            ("txn", pa.struct([("appId", pa.string()), ("version", pa.int64()), ("lastUpdated", pa.int64())])),
            ("add", pa.struct([*file, ("modificationTime", pa.int64()), ("stats", pa.string())])),
            ("remove", pa.struct([*file, ("deletionTimestamp", pa.int64()), ("extendedFileMetadata", pa.bool_())])),
            ("metaData", pa.struct(table)),
            ("protocol", pa.struct([("minReaderVersion", pa.int32()), ("minWriterVersion", pa.int32())])),
        ]
    )
