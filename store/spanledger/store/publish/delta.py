"""The ledger's entries as a Delta table over the ledger's own files: no copies, only a log beside them that says which files count.

Each run brings the log to what the metastore says now: first the files of new commits, as new data, under the number of the ledger's
commit; then what compaction has swapped, as no change of data. So who reads the table as it grows gets every entry once. What is
published follows from the log and the metastore alone, and a version is written only if there is none of its number yet: runs may die
anywhere, or race, and the next goes on.
"""

from __future__ import annotations

import json
import secrets
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

from spanledger.store.errors import PublishError
from spanledger.store.files import COMPACTED, is_written_by
from spanledger.store.metastore import Metastore
from spanledger.store.publish.delta_log import (
    CHECKPOINT_EVERY,
    FOLDER,
    Action,
    LogState,
    catch_up,
    clean,
    put,
    read_state,
    write_checkpoint,
)
from spanledger.store.publish.delta_schema import PARTITION, PROTOCOL, keep_seconds_of, metadata
from spanledger.store.syncing import make_folders

TABLE: Final = "events"
APP_ID: Final = "spanledger"
_TRIES: Final = 5
_MS: Final = 1_000_000


class Published(NamedTuple):
    """What the table is after a run. `versions` were written by it; `begun` if the table was begun, for the first time or anew."""

    version: int
    versions: int
    files: int
    entries: int
    begun: bool


class _File(NamedTuple):
    """A file of the events table, live or in its grace, as the metastore knows it; `path` is relative to the table's folder."""

    path: str
    event_date: str
    rows: int
    size: int
    position_min: int
    position_max: int
    start_ns_min: int
    start_ns_max: int
    added_in_commit: int
    is_live: bool

    @property
    def is_new_data(self) -> bool:
        """Whether a commit wrote it; what compaction wrote was there before."""
        return not is_written_by(self.path, COMPACTED)


class _Ledger(NamedTuple):
    """One moment of the ledger."""

    commit: int
    entries: int
    files: dict[str, _File]

    def rows(self, paths: Iterable[str]) -> int:
        """How many entries these files have."""
        return sum(self.files[path].rows for path in paths)


class DeltaPublisher:
    """Keeps the Delta table of a data folder up. Make one per thread; any number may be at work."""

    def __init__(self, data_dir: Path, keep_seconds: int) -> None:
        """`keep_seconds`: how long a file that left the table stays on the disk for those who still read an older version."""
        self._root, self._keep_seconds = data_dir, keep_seconds
        self._log = data_dir / TABLE / FOLDER
        self._state: LogState | None = None

    def publish(self, now_ns: int | None = None, *, anew: bool = False) -> Published:
        """Bring the table to what the ledger is now. `anew`: leave the log there is behind, whatever it says, and begin another.

        Raises PublishError if the log cannot be read, LedgerNotFoundError if there is no ledger.
        """
        now = time.time_ns() if now_ns is None else now_ns
        if anew:
            self._begin_anew()
        written, begun = 0, False
        for _ in range(_TRIES):
            state = self._read()  # before the ledger is read: what is written next is then never older than what was
            ledger = _read_ledger(self._root)
            steps = list(self._steps(state, ledger, now // _MS))
            if steps and steps[0] is None:
                self._begin_anew()
                continue
            begun |= state.version < 0
            done = self._write(state, [step for step in steps if step is not None], now)
            written += done
            if done == len(steps):
                return Published(state.version, written, len(state.added), ledger.rows(state.added), begun)
        raise PublishError(f"others write the Delta log {self._log} all the time")

    def _read(self) -> LogState:
        state = self._state
        if state is None or not self._log.is_dir():
            self._state = read_state(self._log)
            return self._state
        try:
            catch_up(self._log, state)
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._state = None
            raise PublishError(f"the Delta log {self._log} is damaged ({error})") from error
        return state

    def _begin_anew(self) -> None:
        """Put the log away: a table that says what the ledger does not is begun again rather than mended."""
        self._state = None
        old = self._log.with_name(f"{FOLDER}-{secrets.token_hex(4)}")
        if self._log.is_dir():
            self._log.rename(old)
            shutil.rmtree(old)

    def _steps(self, state: LogState, ledger: _Ledger, now_ms: int) -> Iterator[list[Action] | None]:
        """The versions that are missing; None where the log does not lead to the ledger."""
        live = {path for path, file in ledger.files.items() if file.is_live}
        told = state.transactions.get(APP_ID, {}).get("version", 0)
        if state.version < 0:
            about = metadata(str(uuid.uuid4()), now_ms, self._keep_seconds)
            begin = [*_head("CREATE TABLE", ledger, now_ms), {"protocol": PROTOCOL}, {"metaData": about}]
            yield [*begin, *_data(ledger, sorted(live), now_ms)]
            return
        new = [file.path for file in ledger.files.values() if file.is_new_data and file.added_in_commit > told]
        if not state.added.keys() <= ledger.files.keys() or ledger.rows({*state.added, *new}) != ledger.entries:
            yield None
            return
        about = metadata(state.metadata["id"], state.metadata["createdTime"], self._keep_seconds)
        if about != state.metadata or state.protocol != PROTOCOL:
            yield [_info("SET TBLPROPERTIES", ledger, now_ms), {"protocol": PROTOCOL}, {"metaData": about}]
        if new:
            yield [*_head("WRITE", ledger, now_ms), *_data(ledger, new, now_ms)]
        named = {*state.added, *new}
        if named != live:
            gone = [_remove(ledger.files[path], now_ms) for path in sorted(named - live)]
            come = [_add(ledger.files[path], now_ms, data_change=False) for path in sorted(live - named)]
            yield [_info("OPTIMIZE", ledger, now_ms), *gone, *come]

    def _write(self, state: LogState, steps: list[list[Action]], now_ns: int) -> int:
        """Write versions one after the other; how many, before another writer took a number."""
        make_folders(self._root, self._log)
        for n, actions in enumerate(steps):
            if not put(self._log, state.version + 1, actions):
                return n
            state.apply(state.version + 1, actions)
            if state.version % CHECKPOINT_EVERY == 0 and state.version:
                keep_ns = self._keep_seconds * 1_000_000_000
                state.forget_removed((now_ns - keep_ns) // _MS)
                write_checkpoint(self._log, state)
                clean(self._log, now_ns - keep_ns)
        return len(steps)


def held_back(data_dir: Path, store: Metastore, paths: Iterable[str], now_ns: int) -> set[str]:
    """Of files that compaction has replaced, those that must stay because a published version may still be read: the last one names
    them, or one that did was the last less than the table's time to keep ago.
    """
    log = data_dir / TABLE / FOLDER
    files = {path for path in paths if path.startswith(f"{TABLE}/")}
    if not files or not log.is_dir():
        return set()
    try:
        state = read_state(log)
        keep_ns = keep_seconds_of(state.metadata) * 1_000_000_000 if state.version >= 0 else 0
    except (PublishError, KeyError, ValueError, IndexError):
        return files  # whoever publishes tells of it; until it is put right nothing is lost
    young = (now_ns - keep_ns) // _MS
    if state.metadata.get("createdTime", young) >= young:
        return files  # somebody may still read the table that was before this one
    named = {*state.added, *(path for path, told in state.removed.items() if told["deletionTimestamp"] >= young)}
    return (files - set(store.removed_files(now_ns - keep_ns))) | (files & {f"{TABLE}/{path}" for path in named})


def _read_ledger(data_dir: Path) -> _Ledger:
    with closing(Metastore.open(data_dir, read_only=True)) as store:
        store.connection.execute("BEGIN")  # one moment of it
        last = store.last_commit()
        rows = store.connection.execute(
            "SELECT substr(path, ?), event_date, rows, bytes, position_min, position_max, start_ns_min, start_ns_max, added_in_commit,"
            " removed_in_commit IS NULL FROM files WHERE table_name = ? ORDER BY rowid",
            (len(TABLE) + 2, TABLE),
        )
        files = {row[0]: _File._make(row) for row in rows}
    return _Ledger(last.number, last.entries_total, files)


def _head(operation: str, ledger: _Ledger, now_ms: int) -> list[Action]:
    """How a version with new data begins: it says up to which commit of the ledger the table goes."""
    return [_info(operation, ledger, now_ms), {"txn": {"appId": APP_ID, "version": ledger.commit, "lastUpdated": now_ms}}]


def _info(operation: str, ledger: _Ledger, now_ms: int) -> Action:
    engine = f"spanledger/{version('spanledger')}"
    told = {"ledgerCommit": str(ledger.commit), "ledgerEntries": str(ledger.entries)}
    return {"commitInfo": {"timestamp": now_ms, "operation": operation, "operationParameters": told, "engineInfo": engine}}


def _data(ledger: _Ledger, paths: Iterable[str], now_ms: int) -> list[Action]:
    return [_add(ledger.files[path], now_ms, data_change=True) for path in paths]


def _add(file: _File, now_ms: int, *, data_change: bool) -> Action:
    stats = {
        "numRecords": file.rows,
        "minValues": {"position": file.position_min, "start_ns": file.start_ns_min},
        "maxValues": {"position": file.position_max, "start_ns": file.start_ns_max},
        "nullCount": {"position": 0, "start_ns": 0},
    }
    return {
        "add": {
            "path": file.path,
            "partitionValues": {PARTITION: file.event_date},
            "size": file.size,
            "modificationTime": now_ms,
            "dataChange": data_change,
            "stats": json.dumps(stats, separators=(",", ":")),
        }
    }


def _remove(file: _File, now_ms: int) -> Action:
    return {
        "remove": {
            "path": file.path,
            "deletionTimestamp": now_ms,
            "dataChange": False,
            "extendedFileMetadata": True,
            "partitionValues": {PARTITION: file.event_date},
            "size": file.size,
        }
    }
