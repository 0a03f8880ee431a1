"""Leases: the right to do one named thing alone for some seconds, so that whoever dies or sleeps over it holds up nobody for long."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, NamedTuple

from spanledger.store.errors import LedgerBusyError

if TYPE_CHECKING:
    from spanledger.store.metastore import Metastore


class Hold(NamedTuple):
    """A lease as it was taken; the epoch, which grows with every new holder, tells it from a later one of the same holder."""

    holder: str
    epoch: int


def take_lease(store: Metastore, name: str, holder: str, seconds: float, now_ns: int | None = None) -> int:
    """Take or renew the right to do `name` alone for some seconds; returns its epoch. Raises LedgerBusyError while another holds it."""
    now = time.time_ns() if now_ns is None else now_ns
    expires = now + int(seconds * 1_000_000_000)
    with store.transaction():
        row = store.connection.execute("SELECT holder, epoch, expires_ns FROM leases WHERE name = ?", (name,)).fetchone()
        if row is not None and row[0] != holder and row[2] > now:
            raise LedgerBusyError(f"{name} is being done by {row[0]}")
        epoch = 1 if row is None else int(row[1]) + (row[0] != holder)
        store.connection.execute(
            "INSERT INTO leases VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE"
            " SET holder = excluded.holder, epoch = excluded.epoch, expires_ns = excluded.expires_ns",
            (name, holder, epoch, expires),
        )
    return epoch


def end_lease(store: Metastore, name: str, holder: str) -> None:
    """Give a lease back; nothing happens if it is not ours any more."""
    with store.transaction():
        store.connection.execute("UPDATE leases SET expires_ns = 0 WHERE name = ? AND holder = ?", (name, holder))


def in_force(connection: sqlite3.Connection, name: str, now_ns: int | None = None) -> Hold | None:
    """Who holds a lease that has not run out."""
    now = time.time_ns() if now_ns is None else now_ns
    row = connection.execute("SELECT holder, epoch FROM leases WHERE name = ? AND expires_ns > ?", (name, now)).fetchone()
    return None if row is None else Hold(*row)
