"""How far each billing system has been told of the ledger: a cursor for each destination, in the metastore.

The cursor moves after a system has taken a batch. What dies in between tells that batch again, under the same keys, which every system
takes as told once.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from spanledger.store.metastore import Metastore
from spanledger.store.migrations import MIGRATIONS

_VERSION: Final = next(number for number, sql in enumerate(MIGRATIONS, 1) if "TABLE pushes" in sql)
LEASE_SECONDS: Final = 120.0


class Push(NamedTuple):
    """Up to which entry a destination has been told (0: none), how many events that were, and when the last was taken (ns UTC)."""

    destination: str
    entry_number: int
    events: int
    sent_ns: int | None


def read_push(store: Metastore, destination: str) -> Push | None:
    """How far a destination has been told; None where it never was."""
    return next((push for push in list_pushes(store) if push.destination == destination), None)


def list_pushes(store: Metastore) -> list[Push]:
    """Every destination there is, by name."""
    if store.schema_version < _VERSION:
        return []  # an older ledger, opened to be read only
    rows = store.connection.execute("SELECT destination, entry_number, events, sent_ns FROM pushes ORDER BY destination")
    return [Push._make(row) for row in rows]


def begin_push(store: Metastore, destination: str, entry_number: int) -> Push:
    """Begin a destination behind an entry: what is before it is never told."""
    with store.transaction():
        store.connection.execute("INSERT INTO pushes VALUES (?, ?, 0, NULL)", (destination, entry_number))
    return Push(destination, entry_number, 0, None)


def advance_push(store: Metastore, push: Push) -> None:
    """Note what a destination has taken. Never goes back."""
    with store.transaction():
        store.connection.execute(
            "UPDATE pushes SET entry_number = ?, events = ?, sent_ns = ? WHERE destination = ? AND entry_number <= ?",
            (push.entry_number, push.events, push.sent_ns, push.destination, push.entry_number),
        )
