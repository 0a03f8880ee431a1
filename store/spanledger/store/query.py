"""A DuckDB connection that sees one snapshot of the ledger and nothing else: no other file, no network, no extension, no setting.

The snapshot is the list of live files at one moment of the metastore. Files are immutable and stay for a grace after compaction has
replaced them, so a running query is never disturbed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb

from spanledger.store.files import DataFile
from spanledger.store.ledger import Ledger
from spanledger.store.rereads import STANDING_SQL
from spanledger.store.runs import list_runs
from spanledger.store.schema import EVENT_FIELDS, SPAN_FIELDS, SQL_TYPES, Field, sql_schema
from spanledger.store.viewer import UNSEEN, narrow

Range = tuple[int | None, int | None]
"""Half-open, nanoseconds UTC; None is open."""

EVERYTHING: Range = (None, None)


_EVENT_DATE = r"CAST(regexp_extract(filename, 'event_date=(\d{4}-\d{2}-\d{2})/[^/]*$', 1) AS DATE)"
"""The partition a row's file lies in."""


@contextmanager
def snapshot(ledger: Ledger, window: Range = EVERYTHING, *, spans: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """A locked-down connection with the view `entries` (every row of the ledger) and, if asked for, `spans`.

    Files without a row in the window are left out; rows outside of it are not, so a query says the window again.
    """
    event_files, span_files = live_files(ledger, window, spans=spans)
    with _connected(ledger, event_files, span_files, spans=spans) as connection:
        yield connection


@contextmanager
def entries_of(ledger: Ledger, files: list[DataFile]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A locked-down connection with the view `entries` of these files only."""
    with _connected(ledger, files, [], spans=False) as connection:
        yield connection


@contextmanager
def _connected(
    ledger: Ledger, event_files: list[DataFile], span_files: list[DataFile], *, spans: bool
) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect(":memory:", config=_settings(ledger))
    below = "" if ledger.viewer is None else UNSEEN
    try:
        _add_view(connection, ledger, f"{below}entries", EVENT_FIELDS, event_files)
        if spans:
            replayed = any(run.kind == "replay" for run in list_runs(ledger.metastore))
            _add_view(connection, ledger, f"{below}read_spans" if replayed else f"{below}spans", SPAN_FIELDS, span_files)
            if replayed:
                connection.execute(f"CREATE VIEW {below}spans AS {STANDING_SQL.format(source=f'{below}read_spans')}")
        if ledger.viewer is not None:
            narrow(connection, ledger.viewer, ("entries", "spans") if spans else ("entries",))
        _lock_down(connection, [str((ledger.data_dir / file.path).resolve()) for file in (*event_files, *span_files)])
        yield connection
    finally:
        connection.close()


def live_files(ledger: Ledger, window: Range, *, spans: bool) -> tuple[list[DataFile], list[DataFile]]:
    """The files of both tables at one moment."""
    store = ledger.metastore
    store.connection.execute("BEGIN")
    try:
        events = store.live_files("events", start_ns=window)
        return events, store.live_files("spans", start_ns=window) if spans else []
    finally:
        store.connection.execute("COMMIT")


def _settings(ledger: Ledger) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "memory_limit": f"{ledger.config.query_memory_mb}MB",
        "temp_directory": str(ledger.data_dir.resolve() / "tmp"),
        "autoload_known_extensions": False,
        "autoinstall_known_extensions": False,
        "allow_community_extensions": False,
        "allow_persistent_secrets": False,
        "python_enable_replacements": False,  # a table name must never resolve to a variable of this program
    }
    if ledger.config.query_threads:
        settings["threads"] = ledger.config.query_threads
    return settings


def _add_view(connection: duckdb.DuckDBPyConnection, ledger: Ledger, name: str, fields: tuple[Field, ...], files: list[DataFile]) -> None:
    if files:
        paths = [str((ledger.data_dir / file.path).resolve()) for file in files]
        # Hive partitioning is off: a folder above ours may be called kind=x, and would take the place of the column.
        files_of_it = connection.read_parquet(paths, hive_partitioning=False, filename=True)
        there = set(files_of_it.columns)  # those of the first file, which is the oldest
        if not there.issuperset(field.name for field in fields):
            # Tables gain columns: files from before lack them, and a column that all files lack is NULL. DuckDB then reads the end of
            # every file at once, which takes three times as long, so not where the oldest has all of them.
            files_of_it = connection.read_parquet(paths, hive_partitioning=False, filename=True, union_by_name=True)
            there = set(files_of_it.columns)
        columns = ", ".join(field.name if field.name in there else f"NULL::{SQL_TYPES[field.type]} AS {field.name}" for field in fields)
        files_of_it.project(f"{columns}, {_EVENT_DATE} AS event_date").create_view(name)
    else:
        connection.execute(f"CREATE TABLE {name} ({sql_schema(fields)}, event_date DATE)")


def _lock_down(connection: duckdb.DuckDBPyConnection, paths: list[str]) -> None:
    """From here on the connection reads these files and nothing else, and cannot be told otherwise."""
    literals = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)  # SET takes no bound values
    connection.execute(f"SET allowed_paths = [{literals}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
