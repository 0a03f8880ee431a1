"""The log of what people change beside the ledger: keys, tenants' attributes, price catalogs, activations, runs, settings.

Triggers in the metastore write every change to `admin_log` in the transaction that makes it, whoever makes it. The log is hashed as a
chain; each commit's record and each checkpoint says how long it was and where it ended, so that nothing can be put into its past.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from spanledger.store.migrations import MIGRATIONS

SINCE: Final = next(number for number, sql in enumerate(MIGRATIONS, 1) if "TABLE admin_log" in sql)
"""The metastore's version that brought the log."""
ADMIN_LINE: Final = "admin"
"""What the line of a checkpoint begins with that says how long the log was, and its hash."""
_DOMAIN: Final = b"spanledger admin log v1\n"

LOGGED: Final[dict[str, tuple[int, str]]] = {
    "keys": (1, "key_id, hex(secret_sha256), authority, tenant, scopes, name, created_ns, expires_ns, revoked_ns"),
    "tenants": (2, "authority, tenant_id, name, settings, created_ns"),
    "tenant_facts": (4, "authority, tenant_id, attribute, from_ns, until_ns, value"),
    "catalogs": (1, "catalog_id, kind, name, source, added_ns, length(body)"),
    "price_books": (1, "book_id, base, overlays, terms"),
    "activations": (1, "revision, book_id, follows_shipped, actor, reason, since_ns"),
    "runs": (1, "run_id, kind, inputs, actor, reason, entries, total_usd, committed_in, booked_ns"),
    "settings": (1, "name, value"),
}
"""The tables whose changes are logged: how many of their columns are the key, and the columns as the triggers write them."""


class LogHead(NamedTuple):
    """The end of the log: how many changes there are, and the hash over all of them."""

    size: int = 0
    hash: bytes = bytes(32)


class Change(NamedTuple):
    """A change of one row: what was there before and after (None: nothing), in the columns of LOGGED. `at_s` is when, UTC."""

    table: str
    at_s: int
    before: list[Any] | None
    after: list[Any] | None


def next_hash(before: bytes, change: str) -> bytes:
    """SHA-256("spanledger admin log v1" ‖ LF ‖ hash before ‖ text of the change)."""
    return hashlib.sha256(_DOMAIN + before + change.encode()).digest()


def has_log(connection: sqlite3.Connection) -> bool:
    """False in a metastore from before there was a log, opened to be read only."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'admin_log'").fetchone() is not None


def log_head(connection: sqlite3.Connection, since: LogHead | None = None) -> LogHead:
    """The end of the log, hashed on from an earlier one."""
    found = since or LogHead()
    for seq, change in connection.execute("SELECT seq, change FROM admin_log WHERE seq > ? ORDER BY seq", (found.size,)):
        found = LogHead(seq, next_hash(found.hash, change))
    return found


def admin_line(connection: sqlite3.Connection) -> dict[str, str]:
    """The checkpoint's line about the log: how long it is, and its hash."""
    if not has_log(connection):
        return {}
    head = log_head(connection)
    return {ADMIN_LINE: f"{head.size} {head.hash.hex()}"}


def texts(connection: sqlite3.Connection) -> Iterator[tuple[int, str]]:
    """All changes with their numbers, oldest first."""
    yield from connection.execute("SELECT seq, change FROM admin_log ORDER BY seq")


def parse(text: str) -> Change:
    """A change from its text. Raises ValueError for what is none."""
    table, at_s, before, after = json.loads(text)
    if table not in LOGGED or not all(row is None or isinstance(row, list) for row in (before, after)):
        raise ValueError("no change of a table")
    return Change(table, at_s, before, after)


def rows_of(connection: sqlite3.Connection, table: str) -> dict[tuple[Any, ...], list[Any]]:
    """The rows that a table has now, by key, as the log writes them."""
    keys, columns = LOGGED[table]
    rows = connection.execute(f"SELECT json_array({columns}) FROM {table}")  # noqa: S608 - our own names
    return {tuple(row[:keys]): row for (text,) in rows for row in [json.loads(text)]}
