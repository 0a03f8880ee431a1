"""How far the ledger has been sent on, and what has been sent adds up to: kept in the metastore, so that a restart goes on exactly there.

Entries are numbered without gaps in the order in which they were booked, so one number says what is behind and what is ahead. Cursor and
totals move in one transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from spanledger.enrich.events import CostEvent
from spanledger.store.metastore import Metastore
from spanledger.store.migrations import MIGRATIONS

Series = tuple[str | None, ...]
"""What figures are kept apart by: the values of the labels, in their order."""

Totals = dict[str, int]
"""Figures by name; money in atto-USD."""

_VERSION: Final = next(number for number, sql in enumerate(MIGRATIONS, 1) if "TABLE forward_state" in sql)
_COLUMNS: Final = "entry_number, since_ns, sent_ns, error, failing_since_ns, rejected"


class ForwardState(NamedTuple):
    """Up to which entry all has been sent (0: none), since when figures are counted, and how the last attempt went."""

    entry_number: int
    since_ns: int
    sent_ns: int | None = None
    error: str | None = None
    failing_since_ns: int | None = None
    rejected: int = 0


def read_state(store: Metastore) -> ForwardState | None:
    """Where forwarding stands; None where it has never begun."""
    if store.schema_version < _VERSION:
        return None  # an older ledger, opened to be read only
    row = store.connection.execute(f"SELECT {_COLUMNS} FROM forward_state").fetchone()  # noqa: S608 - our own names
    return None if row is None else ForwardState(*row)


def reset(store: Metastore, entry_number: int, now_ns: int) -> ForwardState:
    """Begin (again) behind an entry, with all figures at zero as of now."""
    with store.transaction():
        store.connection.execute("DELETE FROM forward_state")
        store.connection.execute("DELETE FROM forward_totals")
        store.connection.execute("INSERT INTO forward_state (one, entry_number, since_ns) VALUES (1, ?, ?)", (entry_number, now_ns))
    return ForwardState(entry_number, now_ns)


def advance(store: Metastore, state: ForwardState, after: int, changed: Mapping[Series, Totals]) -> bool:
    """Note that all behind `after` and up to `state.entry_number` was sent, and the totals of the series that moved.

    False if the cursor is not at `after` any more: another has moved it, and whoever goes on must read the totals again.
    """
    with store.transaction():
        done = _update(store.connection, state, after)
        if done:
            rows = [
                (json.dumps(series), json.dumps({name: str(value) for name, value in totals.items()})) for series, totals in changed.items()
            ]
            sql = "INSERT INTO forward_totals VALUES (?, ?) ON CONFLICT (series) DO UPDATE SET totals = excluded.totals"
            store.connection.executemany(sql, rows)
    return done


def note(store: Metastore, state: ForwardState) -> bool:
    """Note how an attempt went, where nothing was sent; False if the cursor is elsewhere."""
    with store.transaction():
        return _update(store.connection, state, state.entry_number)


def _update(connection: sqlite3.Connection, state: ForwardState, after: int) -> bool:
    names = ", ".join(f"{name} = ?" for name in ForwardState._fields)
    sql = f"UPDATE forward_state SET {names} WHERE since_ns = ? AND entry_number = ?"  # noqa: S608 - our own names, bound values
    return connection.execute(sql, (*state, state.since_ns, after)).rowcount == 1


def _texts(totals: Totals) -> str:
    """Numbers as texts: money in atto-USD does not fit what JSON readers and SQLite hold."""
    return json.dumps({name: str(value) for name, value in totals.items()})


def read_totals(store: Metastore) -> tuple[ForwardState | None, dict[Series, Totals]]:
    """Where forwarding stands, and what has been sent up to there, added up by series; both of one moment."""
    store.connection.execute("BEGIN")
    try:
        state = read_state(store)
        rows = store.connection.execute("SELECT series, totals FROM forward_totals").fetchall()
    finally:
        store.connection.execute("COMMIT")
    return state, {tuple(json.loads(series)): {name: int(value) for name, value in json.loads(totals).items()} for series, totals in rows}


class EntryReader:
    """Reads entries by their numbers, in their order. Remembers which numbers lie in which file, so that going on reads little."""

    def __init__(self, data_dir: Path, store: Metastore) -> None:
        self._data_dir, self._store = data_dir, store
        self._ranges: dict[str, tuple[int, int]] = {}

    def head(self) -> int:
        """The number of the last entry."""
        return self._store.last_commit().entries_total

    def read(self, after: int, up_to: int) -> list[tuple[int, CostEvent]]:
        """The entries behind number `after` up to and including `up_to`, with their numbers.

        Raises LookupError if one of them is not there: nothing is ever passed over in silence.
        """
        import pyarrow as pa  # see files.write_parquet
        import pyarrow.parquet as pq  # as above

        from spanledger.store.event_rows import SCHEMA, from_table  # as above

        chosen = [("entry_number", ">", after), ("entry_number", "<=", up_to)]
        tables = [
            pq.read_table(self._data_dir / path, filters=chosen, partitioning=None, schema=SCHEMA) for path in self._files(after, up_to)
        ]
        events = from_table(pa.concat_tables(tables)) if tables else []
        if len(events) != up_to - after:
            raise LookupError(f"the ledger has {len(events)} of the {up_to - after} entries behind number {after}")
        return list(enumerate(events, after + 1))

    def _files(self, after: int, up_to: int) -> Iterator[str]:
        """The files that may hold these entries. A file that compaction made later holds what came before it, too."""
        connection = self._store.connection
        first = _commit_behind(connection, after)
        live = [
            path
            for (path,) in connection.execute(
                "SELECT path FROM files WHERE removed_in_commit IS NULL AND table_name = 'events' AND added_in_commit >= ? ORDER BY rowid",
                (first,),
            )
        ]
        self._ranges = {path: self._ranges[path] if path in self._ranges else self._range(path) for path in live}
        for path, (low, high) in self._ranges.items():
            if low <= up_to and high > after:
                yield path

    def _range(self, path: str) -> tuple[int, int]:
        import pyarrow.parquet as pq  # see files.write_parquet

        with pq.ParquetFile(self._data_dir / path) as file:
            metadata = file.metadata
        leaf = next(n for n in range(metadata.num_columns) if metadata.schema.column(n).path == "entry_number")
        found = [metadata.row_group(n).column(leaf).statistics for n in range(metadata.num_row_groups)]
        if not found or not all(each is not None and each.has_min_max for each in found):
            return 0, 1 << 62  # it says nothing: it may hold any
        return min(each.min for each in found), max(each.max for each in found)


def _commit_behind(connection: sqlite3.Connection, entry_number: int) -> int:
    """The number of the first commit with an entry behind this one, by bisection: there are very many commits."""
    low, high = 0, connection.execute("SELECT coalesce(max(number), 0) FROM commits").fetchone()[0]
    while low < high:
        middle = (low + high) // 2
        row = connection.execute("SELECT entries_total FROM commits WHERE number <= ? ORDER BY number DESC LIMIT 1", (middle,)).fetchone()
        low, high = (low, middle) if row is not None and row[0] > entry_number else (middle + 1, high)
    return int(low)
