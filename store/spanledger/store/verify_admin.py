"""Verification of what is kept beside the ledger: the log of administrative changes, the tables it tells of, stored price catalogs,
and that the metastore has just the tables and triggers which this program made.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from spanledger.enrich.catalog.load import CatalogError, unpack
from spanledger.enrich.terms import Terms, TermsError
from spanledger.store.admin_log import ADMIN_LINE, LOGGED, LogHead, has_log, next_hash, parse, rows_of, texts
from spanledger.store.checkpoints import Checkpoint
from spanledger.store.findings import Findings
from spanledger.store.metastore import statements
from spanledger.store.migrations import MIGRATIONS

_SHOWN_MAX = 60


def check_admin(connection: sqlite3.Connection, checkpoints: Sequence[Checkpoint], findings: Findings) -> list[bytes] | None:
    """Check the log and all that it tells of; returns its hashes by length, for the chain's records to be held against (None: no log)."""
    check_schema(connection, findings)
    if not has_log(connection):
        return None
    hashes = [LogHead().hash]
    tables: dict[str, dict[tuple[Any, ...], list[Any]]] = {name: {} for name in LOGGED}
    for seq, text in texts(connection):
        if not findings.compare("admin log", "the number of a change", len(hashes), seq):
            break
        hashes.append(next_hash(hashes[-1], text))
        try:
            change = parse(text)
        except ValueError as error:
            findings.add(f"change {seq} of the admin log", str(error))
            continue
        rows, keys = tables[change.table], LOGGED[change.table][0]
        if change.before is not None:
            rows.pop(tuple(change.before[:keys]), None)
        if change.after is not None:
            rows[tuple(change.after[:keys])] = change.after
    for table, rows in tables.items():
        _compare_rows(table, rows, rows_of(connection, table), findings)
    for checkpoint in checkpoints:
        _check_checkpoint(checkpoint, hashes, findings)
    _check_catalogs(connection, findings)
    return hashes


def _compare_rows(
    table: str, logged: dict[tuple[Any, ...], list[Any]], found: dict[tuple[Any, ...], list[Any]], findings: Findings
) -> None:
    """Say which rows of a table are not as the log has them."""
    for key in sorted(logged.keys() | found.keys(), key=str):
        before, now = logged.get(key), found.get(key)
        if before != now:
            problem = "was changed" if before and now else "was added" if now else "was taken out"
            where = f"{table} {'/'.join(map(str, key))}"
            findings.add(where, f"{problem} without a word of it in the admin log", before or "nothing", now or "nothing")


def _check_checkpoint(checkpoint: Checkpoint, hashes: Sequence[bytes], findings: Findings) -> None:
    said = checkpoint.facts.get(ADMIN_LINE)
    if said is None:
        return
    where = f"checkpoint of {checkpoint.size} records"
    size, _, digest = said.partition(" ")
    if not size.isdecimal() or int(size) >= len(hashes):
        findings.add(where, "the admin log was cut off: it had more changes when this was signed", size, len(hashes) - 1)
    elif hashes[int(size)].hex() != digest:
        findings.add(
            where, "the admin log was rewritten: its changes up to there are not those that were signed", digest, hashes[int(size)]
        )


def _check_catalogs(connection: sqlite3.Connection, findings: Findings) -> None:
    """Every stored catalog and set of terms must be the content that its id is a hash of."""
    for catalog_id, kind, body in connection.execute("SELECT catalog_id, kind, body FROM catalogs ORDER BY rowid"):
        try:
            found = Terms.from_bytes(body).terms_id if kind == "terms" else unpack(body).id
        except (CatalogError, TermsError, ValueError, TypeError) as error:
            findings.add(f"catalogs {catalog_id}", f"is damaged: {error}")
            continue
        findings.compare(f"catalogs {catalog_id}", "the id of its content", catalog_id, found)


def check_schema(connection: sqlite3.Connection, findings: Findings) -> None:
    """The metastore's tables, indexes and triggers must be those of its version: one more trigger could change what is booked next."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        findings.add("meta.sqlite", f"was written by a newer spanledger (metastore {version}, this one knows {len(MIGRATIONS)})")
        return
    fresh = sqlite3.connect(":memory:")
    try:
        for script in MIGRATIONS[:version]:
            for statement in statements(script):
                fresh.execute(statement)
        wanted, found = _objects(fresh), _objects(connection)
    finally:
        fresh.close()
    for name in sorted(wanted.keys() | found.keys(), key=str):
        if wanted.get(name) != found.get(name):
            problem = f"{name[0]} {name[1]} is not as this version makes it"
            findings.add("meta.sqlite", problem, _shown(wanted.get(name)), _shown(found.get(name)))


def _shown(sql: str | None) -> str:
    return "none" if sql is None else sql if len(sql) <= _SHOWN_MAX else f"{sql[:_SHOWN_MAX]}…"


def _objects(connection: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """What there is in a database, by kind and name, as SQL without its line breaks."""
    rows = connection.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master")
    return {(kind, name): f"{table}: {' '.join(sql.replace(chr(34), '').split())}" for kind, name, table, sql in rows}
