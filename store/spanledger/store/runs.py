"""Runs: operations on the ledger as a whole (re-pricing, replay, settling commitments), each with its inputs, who asked for it, and why.

A run is recorded in the transaction of the commit that books its entries, so neither is there without the other.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from spanledger.enrich.money import atto_from_text, text_from_atto
from spanledger.store.errors import QueryError
from spanledger.store.metastore import Metastore

RunKind = Literal["reprice", "replay", "commitment"]
PREFIXES: dict[RunKind, str] = {"reprice": "rp1-", "replay": "ry1-", "commitment": "cm1-"}


class Run(NamedTuple):
    """What is to be booked together, and for what reason. `inputs` is canonical JSON of all that decides its entries."""

    run_id: str
    kind: RunKind
    inputs: str
    actor: str | None = None
    reason: str | None = None


class BookedRun(NamedTuple):
    """A run in the ledger. `total_usd` is what its entries add up to, in atto-USD; `commit` the number of its commit."""

    run_id: str
    kind: str
    inputs: str
    actor: str | None
    reason: str | None
    entries: int
    total_usd: int
    commit: int
    booked_ns: int


def run_of(kind: RunKind, inputs: Mapping[str, Any], *, actor: str | None = None, reason: str | None = None) -> Run:
    """A run named by its inputs: the same inputs are the same run, on any machine. Who asks, when and why play no part in the name."""
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    digest = hashlib.sha256(f"{kind}\0{text}".encode()).hexdigest()[:16]
    return Run(PREFIXES[kind] + digest, kind, text, actor, reason)


def add_run(connection: sqlite3.Connection, run: Run, entries: int, total_usd: int, number: int, booked_ns: int) -> None:
    """Record a run within the transaction of its commit."""
    row = (*run, entries, text_from_atto(total_usd), number, booked_ns)
    connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def list_runs(store: Metastore) -> list[BookedRun]:
    """Every run, the latest first."""
    return [_booked(row) for row in _select(store, "ORDER BY committed_in DESC")]


def get_run(store: Metastore, name: str) -> BookedRun:
    """The run of an id or of its unique beginning; raises QueryError."""
    return pick_run(list_runs(store), name)


def pick_run(runs: Iterable[BookedRun], name: str) -> BookedRun:
    """The one of these runs that is meant, as `get_run`."""
    found = [run for run in runs if run.run_id.startswith(name)]
    exact = [run for run in found if run.run_id == name]
    if len(found) != 1 and not exact:
        raise QueryError(f"{'more than one run begins' if found else 'no run begins'} with {name!r}; see `spanledger runs list`")
    return (exact or found)[0]


def _select(store: Metastore, rest: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if store.connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchone() is None:
        return []  # an older ledger, opened to be read only
    columns = "run_id, kind, inputs, actor, reason, entries, total_usd, committed_in, booked_ns"
    return store.connection.execute(f"SELECT {columns} FROM runs {rest}", values).fetchall()  # noqa: S608 - our own text


def _booked(row: tuple[Any, ...]) -> BookedRun:
    run_id, kind, inputs, actor, reason, entries, total, commit, booked_ns = row
    return BookedRun(run_id, kind, inputs, actor, reason, entries, atto_from_text(total), commit, booked_ns)
