"""Who looks for payers beyond its own trace, and what sessions claim, in the metastore: small rows beside the spans.

A trace with links or a session without a tenant costs about fifty bytes, a session with a tenant about a hundred; compaction forgets
those of traces whose spans it drops. Texts are bytes here:
an id out of JSON may hold what SQLite's text cannot.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from spanledger.enrich.notes import SEEKERS_MAX, Claim, Notes, Seeker, Session, session_key
from spanledger.enrich.open_traces import TraceKey

if TYPE_CHECKING:
    from spanledger.store.metastore import Metastore

_FOUND = "SELECT value FROM json_each(?) WHERE EXISTS (SELECT 1 FROM seekers WHERE key = value)"
_SEEKERS = "SELECT authority, trace_id, day FROM seekers WHERE key = ? ORDER BY trace_id, authority, day LIMIT ?"


def add_notes(connection: sqlite3.Connection, notes: Notes) -> None:
    """Store notes within the transaction of the commit that they belong to."""
    seekers = [(key, trace_id, authority, day) for key, found in notes.seekers.items() for (authority, trace_id), day in found]
    connection.executemany("INSERT OR IGNORE INTO seekers VALUES (?, ?, ?, ?)", seekers)
    for (authority, session), claims in notes.claims.items():
        at = (authority, _bytes(session))
        connection.execute("DELETE FROM session_claims WHERE authority = ? AND session = ?", at)
        rows = [(*at, field, _bytes(value), trace_id) for field, value, trace_id in claims]
        connection.executemany("INSERT INTO session_claims VALUES (?, ?, ?, ?, ?)", rows)


def any_notes(connection: sqlite3.Connection) -> bool:
    """Whether anything was ever noted."""
    return any_seekers(connection) or connection.execute("SELECT 1 FROM session_claims LIMIT 1").fetchone() is not None


def any_seekers(connection: sqlite3.Connection) -> bool:
    """Whether anybody ever looked for payers beyond its trace."""
    return connection.execute("SELECT 1 FROM seekers LIMIT 1").fetchone() is not None


def stored_keys(connection: sqlite3.Connection, keys: Iterable[int]) -> list[int]:
    """Those of the keys that have seekers."""
    return [key for (key,) in connection.execute(_FOUND, (json.dumps(list(keys)),))]


def stored_seekers(connection: sqlite3.Connection, keys: Iterable[int]) -> set[Seeker]:
    """The seekers under these keys; of more than SEEKERS_MAX under one key, the first by trace id."""
    rows = (row for key in stored_keys(connection, keys) for row in connection.execute(_SEEKERS, (key, SEEKERS_MAX)))
    return {((authority, trace_id), day) for authority, trace_id, day in rows}


def stored_claims(connection: sqlite3.Connection, sessions: Iterable[Session]) -> Mapping[Session, AbstractSet[Claim]]:
    """What was claimed of these sessions; those of which nothing was are left out."""
    found: dict[Session, AbstractSet[Claim]] = {}
    for authority, session in sessions:
        sql = "SELECT field, value, trace_id FROM session_claims WHERE authority = ? AND session = ?"
        rows = connection.execute(sql, (authority, _bytes(session)))
        if claims := {(field, _text(value), trace_id) for field, value, trace_id in rows}:
            found[authority, session] = claims
    return found


def forget(store: Metastore, traces: AbstractSet[TraceKey]) -> int:
    """Forget what traces noted whose spans are stored no longer; gives how many notes.

    A claim stays while any trace of its session looks for payers: what is booked for that must not change by the age of a stranger.
    """
    connection = store.connection
    seekers = [row for row in connection.execute("SELECT key, trace_id, authority, day FROM seekers") if (row[2], row[1]) in traces]
    said = connection.execute("SELECT authority, session, field, value, trace_id FROM session_claims")
    claims = [row for row in said if (row[0], row[4]) in traces]
    if not seekers and not claims:
        return 0
    with store.transaction():
        connection.executemany("DELETE FROM seekers WHERE key = ? AND trace_id = ? AND authority = ? AND day = ?", seekers)
        keys = {row[:2]: session_key((row[0], _text(row[1]))) for row in claims}
        sought = set(stored_keys(connection, set(keys.values())))
        claims = [row for row in claims if keys[row[:2]] not in sought]
        sql = "DELETE FROM session_claims WHERE authority = ? AND session = ? AND field = ? AND value = ? AND trace_id = ?"
        connection.executemany(sql, claims)
    return len(seekers) + len(claims)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
