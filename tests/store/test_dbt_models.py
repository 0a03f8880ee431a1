"""The dbt models, run in DuckDB over a real export: corrections are in their sums, and the tests they ask for hold.

dbt itself is not needed: what the models use of it (ref, source, var, date_trunc) is rendered here.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import jinja2
import pytest
import yaml

from spanledger.enrich.book import reversal
from spanledger.enrich.events import CostEvent
from spanledger.store.export.every import SHAPES
from spanledger.store.export.export import Request, export
from spanledger.store.export.targets import FolderTarget
from spanledger.store.ledger import Ledger
from tests.store.samples import DAY_NS, NOON, event

MODELS = Path(__file__).parents[2] / "warehouse/dbt/models"
ORDER = sorted(MODELS.rglob("*.sql"), key=lambda path: (path.parent.name != "staging", path.name))
COST = Decimal("0.0125")
OCTOBER = NOON - 40 * DAY_NS


class Dbt:
    """What `dbt.` gives in a model: here, of DuckDB."""

    def date_trunc(self, part: str, column: str) -> str:
        return f"date_trunc('{part}', {column})"


def rendered(path: Path) -> str:
    words = jinja2.Environment(autoescape=False, undefined=jinja2.StrictUndefined)  # noqa: S701 - it makes SQL, no page
    return words.from_string(path.read_text("utf-8")).render(ref=str, source=lambda _, table: table, dbt=Dbt())


def entries() -> list[CostEvent]:
    """October: nobody's call, found in November to be globex's. November: acme's, and one without a price."""
    wrong = event(1, tenant_id=None, start_ns=OCTOBER, end_ns=OCTOBER + 5, booked_ns=OCTOBER + 9)
    right = wrong._replace(event_id=bytes([2] * 16), tenant_id="globex", reason="payer_found", booked_ns=NOON)
    unpriced = event(4, lines=(), cost_usd=None, list_cost_usd=None, price_state="unpriced", price_reason="unknown_model")
    return [wrong, reversal(wrong, "payer_found", NOON), right, event(3), unpriced, event(5, tenant_id=None)]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The export, loaded as tables in two increments, with the models as views on them."""
    tmp_path = tmp_path_factory.mktemp("dbt")
    with Ledger.open(tmp_path / "data") as ledger, duckdb.connect() as connection:
        for number, some in enumerate((entries()[:1], entries()[1:]), 1):
            ledger.commit(some, [], position=number, open_position=0, booked_ns=NOON)
            for shape in ("lines", "hourly"):
                export(ledger, FolderTarget(tmp_path / "out"), Request(SHAPES[shape], "parquet", since_last=True), now_text="now")
        for shape in ("lines", "hourly"):
            connection.execute(f"CREATE VIEW {shape} AS FROM read_parquet('{tmp_path}/out/{shape}/event_date=*/*.parquet')")
        for path in ORDER:
            connection.execute(f"CREATE VIEW {path.stem} AS {rendered(path)}")
        yield connection


def rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return connection.execute(sql).fetchall()


def test_a_day_costs_what_stands_after_corrections(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = rows(
        warehouse, "SELECT tenant_id, calls, unpriced_calls, cost_usd FROM daily_cost_by_tenant_model ORDER BY call_date, 1 NULLS LAST"
    )
    assert found == [("globex", 1, 0, COST), (None, 0, 0, Decimal(0)), ("acme", 2, 1, COST), (None, 1, 0, COST)]


def test_corrections_stand_in_the_month_they_were_booked_in(warehouse: duckdb.DuckDBPyConnection) -> None:
    what = "booked_month::VARCHAR, call_month::VARCHAR, tenant_id, kind, reason, entries, calls, cost_usd"
    assert rows(warehouse, f"SELECT {what} FROM corrections_by_booked_month ORDER BY kind") == [
        ("2026-11-01", "2026-10-01", "globex", "charge", "payer_found", 1, 1, COST),
        ("2026-11-01", "2026-10-01", None, "reversal", "payer_found", 1, -1, -COST),
    ]


def test_the_share_of_nobody(warehouse: duckdb.DuckDBPyConnection) -> None:
    what = "call_date::VARCHAR, cost_usd, unattributed_cost_usd, calls, unattributed_calls, unpriced_calls"
    assert rows(warehouse, f"SELECT {what} FROM unattributed_share ORDER BY 1") == [
        ("2026-10-12", COST, Decimal(0), 1, 0, 0),
        ("2026-11-21", 2 * COST, COST, 3, 1, 1),
    ]


def column_tests() -> list[tuple[str, str, str | dict[str, Any]]]:
    """Every test that the models' own schema.yml asks for."""
    files = (yaml.safe_load(path.read_text("utf-8")) for path in sorted(MODELS.rglob("*.yml")))
    models = [model for file in files for model in (*file.get("models", ()), *(t for s in file.get("sources", ()) for t in s["tables"]))]
    return [
        (model["name"], column["name"], test) for model in models for column in model.get("columns", ()) for test in column.get("tests", ())
    ]


@pytest.mark.parametrize(("model", "column", "test"), column_tests())
def test_the_tests_of_the_models_hold(warehouse: duckdb.DuckDBPyConnection, model: str, column: str, test: str | dict[str, Any]) -> None:
    values = () if isinstance(test, str) else tuple(test["accepted_values"]["values"])
    broken = {
        "not_null": f"SELECT count(*) FROM {model} WHERE {column} IS NULL",
        "unique": f"SELECT count({column}) - count(DISTINCT {column}) FROM {model}",
    }
    sql = broken[test] if isinstance(test, str) else f"SELECT count(*) FROM {model} WHERE {column} NOT IN {values}"
    assert rows(warehouse, sql) == [(0,)]


def test_every_model_is_described() -> None:
    named = {model for model, _, _ in column_tests()}
    assert {path.stem for path in ORDER} <= named
