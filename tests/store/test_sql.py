from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from spanledger.store.errors import QueryError
from spanledger.store.ledger import Ledger
from spanledger.store.query import snapshot
from spanledger.store.sql import sql
from tests.store.samples import NOON, event, reading


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger.open(tmp_path / "it's a folder")
    undone = event(2, kind="reversal", ref_event_id=event(1).event_id, cost_usd=-event(1).cost_usd)  # type: ignore[operator]  # it is priced
    ledger.commit([event(1), undone, event(3)], [reading(1), reading(3)], position=1, open_position=0, booked_ns=NOON)
    return ledger


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT count(*), sum(cost_usd) FROM events", [(1, Decimal("0.0125"))]),
        ("SELECT kind FROM entries ORDER BY entry_number;", [("charge",), ("reversal",), ("charge",)]),
        ("WITH costs AS (SELECT tenant_id, cost_usd FROM events) SELECT tenant_id FROM costs -- the end", [("acme",)]),
        ("SELECT count(*) FROM spans JOIN events USING (trace_id, span_id)", [(1,)]),
        ("SELECT line.unit FROM (SELECT unnest(lines) AS line FROM events) ORDER BY 1", [("input_tokens",), ("output_tokens",)]),
        ("FROM range(2)", [(0,), (1,)]),
        ("VALUES (1)", [(1,)]),
        ("SELECT upper(table_name) FROM (SELECT 'x' AS table_name)", [("X",)]),
    ],
)
def test_one_select_over_the_ledger(ledger: Ledger, text: str, rows: list[object]) -> None:
    assert sql(ledger, text).rows == rows


def test_describe_tells_the_columns(ledger: Ledger) -> None:
    assert ("cost_usd", "DECIMAL(38,18)") in [row[:2] for row in sql(ledger, "DESCRIBE events").rows]


REFUSED = [
    "",
    ";",
    "SELECT",
    "SELECT 1; SELECT 2",
    "SELECT * FROM 'other.parquet'",
    "SELECT * FROM '{folder}/meta.sqlite'",
    "SELECT * FROM read_parquet('{file}')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_blob('{folder}/secret')",
    "SELECT * FROM glob('/*')",
    "SELECT (SELECT count(*) FROM glob('/*'))",
    "SELECT 1 WHERE EXISTS (SELECT * FROM parquet_metadata('{file}'))",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "WITH e AS (SELECT * FROM read_json('/etc/passwd')) SELECT * FROM e",
    "WITH duckdb_secrets AS (SELECT 1) SELECT * FROM duckdb_secrets",
    'WITH "/etc/passwd" AS (SELECT 1) SELECT * FROM "/etc/passwd"',
    "WITH events AS (SELECT 1) SELECT * FROM events",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM sqlite_master",
    "SELECT current_setting('allowed_paths')",
    "SELECT getenv('HOME')",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('entries')",
    "SELECT * FROM json_execute_serialized_sql('x')",
    "FROM (SHOW ALL TABLES)",
    "SHOW TABLES",
    "PRAGMA database_list",
    "SET threads = 1",
    "RESET ALL",
    "SET VARIABLE x = 1",
    "COPY entries TO '{folder}/out.csv'",
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "EXPORT DATABASE '{folder}/out'",
    "ATTACH '{folder}/meta.sqlite' AS m (TYPE sqlite)",
    "INSTALL httpfs",
    "LOAD httpfs",
    "CREATE TABLE t AS SELECT 1",
    "CREATE OR REPLACE VIEW events AS SELECT 1",
    "DROP VIEW events",
    "INSERT INTO entries SELECT * FROM entries",
    "DELETE FROM entries",
    "UPDATE entries SET cost_usd = 0",
    "CALL pragma_version()",
    "EXPLAIN ANALYZE SELECT 1",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "CHECKPOINT",
    "BEGIN",
    "SELECT * FROM ledger",
    "SELECT * FROM self",
    "SELECT nothing FROM events",
    "SELECT cost_usd / 0 FROM nowhere",
    "x" * 100_001,
]


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_everything_else_is_refused_and_changes_nothing(ledger: Ledger, text: str) -> None:
    file = ledger.data_dir / ledger.metastore.live_files("events")[0].path
    before = sorted(path for path in ledger.data_dir.rglob("*"))
    with pytest.raises(QueryError) as caught:
        sql(ledger, text.replace("{folder}", str(ledger.data_dir)).replace("{file}", str(file)))
    assert "\n" not in str(caught.value)
    assert sorted(path for path in ledger.data_dir.rglob("*")) == before
    assert sql(ledger, "SELECT count(*) FROM entries").rows == [(3,)]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "COPY entries TO '/dev/null'",
        "ATTACH 'x.duckdb'",
        "SET enable_external_access = true",
        "SET allowed_paths = ['/etc/passwd']",
        "INSTALL httpfs",
        "SELECT * FROM ledger",
    ],
)
def test_the_second_fence_holds_without_the_first(ledger: Ledger, text: str) -> None:
    """The connection itself refuses, even if the parsed statement had been let through."""
    import duckdb

    with snapshot(ledger) as connection, pytest.raises(duckdb.Error):
        connection.execute(text)


def test_the_control_the_connection_does_read_the_live_files(ledger: Ledger) -> None:
    file = ledger.data_dir / ledger.metastore.live_files("events")[0].path
    with snapshot(ledger) as connection:
        assert connection.execute("SELECT count(*) FROM read_parquet($1)", [str(file.resolve())]).fetchall() == [(3,)]


def test_rows_are_bounded_and_it_says_so(ledger: Ledger) -> None:
    found = sql(ledger, "SELECT range FROM range(10) ORDER BY range DESC", rows_max=3)
    assert (found.columns, found.rows, found.is_cut) == (("range",), [(9,), (8,), (7,)], True)
    assert not sql(ledger, "FROM range(3)", rows_max=3).is_cut


def test_a_query_without_end_is_stopped(ledger: Ledger) -> None:
    with pytest.raises(QueryError, match="too long"):
        sql(ledger, "SELECT count(*) FROM range(100000000) a, range(100000) b WHERE a.range + b.range = 7", timeout_seconds=0.2)


def test_depth_is_bounded(ledger: Ledger) -> None:
    for depth in (500, 20_000):
        text = "SELECT " + "(" * depth + "1" + ")" * depth
        try:
            assert sql(ledger, text).rows == [(1,)]
        except QueryError:
            assert depth == 20_000
