"""What people change beside the ledger leaves its mark, whoever changes it and however: no table of it has a door without a trigger."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from spanledger.store.admin_log import LOGGED, LogHead, log_head, parse, rows_of, texts
from spanledger.store.keys import Keys
from spanledger.store.metastore import Metastore, statements
from spanledger.store.migrations import MIGRATIONS
from spanledger.store.tenants import Change as TenantChange
from spanledger.store.tenants import Tenants

BOOK = (
    "INSERT INTO catalogs VALUES ('rc1-a', 'n', 's', x'00', 1, 'catalog')",
    "INSERT INTO price_books VALUES ('rc1-a', 'rc1-a', '', NULL)",
)
ROWS = {
    "keys": "INSERT INTO keys VALUES ('k', x'ab', 'a', NULL, '', 'n', 1, NULL, NULL)",
    "tenants": "INSERT INTO tenants VALUES ('a', 't', NULL, '{}', 1)",
    "tenant_facts": "INSERT INTO tenant_facts VALUES ('a', 't', 'plan', 'gold', 0, 9)",
    "catalogs": "INSERT INTO catalogs VALUES ('rc1-b', 'n', 's', x'00', 1, 'catalog')",
    "price_books": "INSERT INTO price_books VALUES ('pb1-x', 'rc1-a', '', NULL)",
    "activations": "INSERT INTO activations VALUES (7, 'rc1-a', 0, 'me', 'why', 1)",
    "runs": "INSERT INTO runs VALUES ('rp1-x', 'reprice', '{}', 'me', 'why', 1, '0', 1, 1)",
    "settings": "INSERT INTO settings VALUES ('s', 'v')",
}

CHANGED = {
    "keys": "secret_sha256 = x'cd'",
    "tenants": "name = 'x'",
    "tenant_facts": "value = 'x'",
    "catalogs": "name = 'x'",
    "price_books": "overlays = 'x'",
    "activations": "reason = 'x'",
    "runs": "actor = 'x'",
    "settings": "value = 'x'",
}


@pytest.fixture
def store(tmp_path: Path) -> Metastore:
    found = Metastore.open(tmp_path)
    found.connection.execute("INSERT INTO commits VALUES (1, 0, 0, 0, 0, 0, 0)")
    for sql in BOOK:
        found.connection.execute(sql)
    return found


@pytest.mark.parametrize("table", LOGGED)
def test_what_is_added_changed_and_taken_out_is_logged(store: Metastore, table: str) -> None:
    store.connection.execute("PRAGMA foreign_keys = OFF")
    before = log_head(store.connection)
    for sql in (ROWS[table], f"UPDATE {table} SET {CHANGED[table]}", f"DELETE FROM {table}"):
        size = log_head(store.connection).size
        count = store.connection.execute(sql).rowcount
        assert log_head(store.connection).size == size + count > size
    changes = [parse(text) for seq, text in texts(store.connection) if seq > before.size]
    assert {change.table for change in changes} == {table}
    assert (changes[0].before, changes[-1].after) == (None, None)
    assert rows_of(store.connection, table) == {}
    store.close()


def test_the_hash_goes_on_from_where_it_was_and_hangs_on_every_change(store: Metastore) -> None:
    early = log_head(store.connection)
    store.connection.execute(ROWS["keys"])
    store.connection.execute(ROWS["settings"])
    late = log_head(store.connection)
    assert log_head(store.connection, early) == late != early
    assert log_head(store.connection, late) == late
    assert late.size == early.size + 2
    assert LogHead() == LogHead(0, bytes(32))
    store.close()


@pytest.mark.parametrize("sql", ["DELETE FROM admin_log", "UPDATE admin_log SET change = '[]'"])
def test_the_log_only_grows(store: Metastore, sql: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="only grows"):
        store.connection.execute(sql)
    store.close()


def test_no_secret_and_no_price_list_gets_into_it(tmp_path: Path) -> None:
    store = Metastore.open(tmp_path)
    store.connection.execute("INSERT INTO catalogs VALUES ('rc1-b', 'n', 's', x'00112233', 1, 'catalog')")
    [(_, text)] = texts(store.connection)
    assert parse(text).after == ["rc1-b", "catalog", "n", "s", 1, 4]
    store.close()


def test_a_metastore_from_before_the_log_begins_it_with_what_is_there(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "meta.sqlite", isolation_level=None)
    version = next(number for number, sql in enumerate(MIGRATIONS) if "TABLE admin_log" in sql)
    for script in MIGRATIONS[:version]:
        for statement in statements(script):
            old.execute(statement)
    old.execute(f"PRAGMA user_version = {version}")
    old.execute(ROWS["tenant_facts"])
    old.close()
    store = Metastore.open(tmp_path)
    [(seq, text)] = texts(store.connection)
    assert (seq, parse(text).after) == (1, ["a", "t", "plan", 0, 9, "gold"])
    with store.transaction():
        store.connection.execute("DELETE FROM tenant_facts")
    assert log_head(store.connection).size == 2
    store.close()


def test_keys_and_tenants_as_the_program_changes_them_are_in_it(tmp_path: Path) -> None:
    tenants = Tenants.open(tmp_path)
    tenants.change([TenantChange("t", "plan", "gold"), TenantChange("t", "plan", "silver", from_ns=7)], 5)
    tenants.close()
    keys = Keys.open(tmp_path)
    made = keys.create_key("acme", None, ["ingest"], "test")
    keys.revoke_key(made.key_id)
    keys.close()
    store = Metastore.open(tmp_path, read_only=True)
    said = [parse(text) for _, text in texts(store.connection)]
    assert [change.table for change in said] == ["tenant_facts"] * 4 + ["keys"] * 2
    assert made.secret not in "".join(text for _, text in texts(store.connection))
    for table in LOGGED:
        assert len(rows_of(store.connection, table)) == {"tenant_facts": 2, "keys": 1}.get(table, 0)
    store.close()
