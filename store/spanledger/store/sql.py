"""SQL of the user's own over the ledger: one SELECT over `events`, `entries` and `spans`, and nothing besides.

Two fences, each enough by itself for the files: DuckDB is locked to the ledger's live files (see `query`), and the statement is parsed by
DuckDB's own parser and refused if it names a table, a table function or a function that is not on the lists here. Time, rows and
memory are bounded.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import duckdb

from spanledger.store.entries import standing
from spanledger.store.errors import QueryError
from spanledger.store.ledger import Ledger
from spanledger.store.query import snapshot
from spanledger.store.viewer import copy_seen

TABLES: Final = ("events", "entries", "spans")
TABLE_FUNCTIONS: Final = frozenset({"unnest", "range", "generate_series"})
REFUSED_FUNCTIONS: Final = frozenset({"current_setting", "getenv", "getvariable", "write_log", "query", "query_table"})
TEXT_MAX: Final = 100_000
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SYSTEM: Final = ("duckdb_", "pg_", "sqlite_", "pragma_", "information_schema")
_REFERENCES: Final = frozenset({"COLUMN_REF", "LAMBDA_REF", "POSITIONAL_REFERENCE", "VALUE_REF"})


class Result(NamedTuple):
    """What a query gave: names, rows of Python values, and whether there were more rows than allowed."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    is_cut: bool


def sql(ledger: Ledger, text: str, *, rows_max: int | None = None, timeout_seconds: float | None = None) -> Result:
    """Run one SELECT. `events` holds the calls as they stand, `entries` every row of the ledger, `spans` what spans said.

    Raises QueryError with a sentence if it is not allowed, wrong, or takes too long.
    """
    most = rows_max or ledger.config.sql_rows_max
    with snapshot(ledger, spans=True) as connection:
        statement = checked(connection, text)
        if ledger.viewer is not None:
            copy_seen(connection, statement)
        connection.execute(f"CREATE VIEW events AS {standing(connection, 'entries')}")
        timer = threading.Timer(timeout_seconds or ledger.config.sql_timeout_seconds, connection.interrupt)
        timer.start()
        try:
            found = connection.sql(statement).limit(most + 1)
            columns, rows = tuple(found.columns), found.fetchall()
        except duckdb.InterruptException as error:
            raise QueryError("the query took too long and was stopped") from error
        except duckdb.Error as error:
            raise QueryError(first_line(error)) from error
        finally:
            timer.cancel()
    return Result(columns, rows[:most], len(rows) > most)


def checked(connection: duckdb.DuckDBPyConnection, text: str) -> str:
    """The statement, if it is a single SELECT over what may be read; raises QueryError."""
    if len(text) > TEXT_MAX:
        raise QueryError(f"a query has at most {TEXT_MAX} characters")
    try:
        statements = connection.extract_statements(text)
    except duckdb.Error as error:
        raise QueryError(first_line(error)) from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise QueryError("only one SELECT can be run here")
    statement = statements[0].query
    rows = connection.execute("SELECT json_serialize_sql($1)", [statement]).fetchall()
    try:
        tree = json.loads(rows[0][0])
    except RecursionError as error:
        raise QueryError("the query is nested too deeply") from error
    if tree.get("error", True):
        raise QueryError(f"only a SELECT can be run here: {tree.get('error_message', 'not understood')}")
    _check(tree)
    return str(statement)


def _check(tree: dict[str, Any]) -> None:
    nodes = list(_nodes(tree))
    known = set(TABLES)
    for node in nodes:
        for entry in (node.get("cte_map") or {}).get("map", ()):
            name = str(entry["key"])
            if not _NAME.fullmatch(name) or name.lower().startswith(_SYSTEM) or name.lower() in TABLES:
                raise QueryError(f"{name!r} cannot be the name of a WITH query here")
            known.add(name.lower())
    for node in nodes:
        kind = node.get("type")
        if kind == "BASE_TABLE":
            if node.get("schema_name") or node.get("catalog_name") or str(node.get("table_name")).lower() not in known:
                raise QueryError(f"there is no table {node.get('table_name')!r}; there are {', '.join(TABLES)}")
        elif kind == "TABLE_FUNCTION":
            name = str(node["function"].get("function_name")).lower()
            if name not in TABLE_FUNCTIONS:
                raise QueryError(f"{name}() cannot be read from here")
        elif str(kind).endswith("_REF") and kind not in _REFERENCES and not (kind == "SHOW_REF" and node.get("query")):
            # DESCRIBE and SUMMARIZE of a query are fine, its tables are checked like any other; SHOW is about the database itself.
            raise QueryError("only SELECT over the ledger's tables can be run here")
        if str(node.get("function_name", "")).lower() in REFUSED_FUNCTIONS:
            raise QueryError(f"{node['function_name']}() cannot be used here")


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON tree; without recursion, because its depth is in the user's hand."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def first_line(error: Exception) -> str:
    """DuckDB's message without the drawing of where in the query it was."""
    return str(error).split("\n\n")[0].replace("\n", " ")[:500]
