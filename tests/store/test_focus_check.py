"""Every kind of entry keeps the rules of FOCUS 1.2 and 1.4, and each rule notices the row that breaks it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from spanledger.store.export.every import SHAPES
from spanledger.store.export.export import Request, export
from spanledger.store.export.focus_check import COLUMNS, RULES, Broken, check_rows, told, version_of
from spanledger.store.export.targets import FolderTarget
from tests.store.focus_ledger import every_kind, ledger_of

VERSIONS = {"1.2": "focus", "1.4": "focus-1.4"}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("focus")
    with ledger_of(folder / "data", every_kind()) as ledger:
        for shape in VERSIONS.values():
            export(ledger, FolderTarget(folder / "out"), Request(SHAPES[shape], "parquet"), now_text="now")
    return folder / "out"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        yield made


def load(connection: duckdb.DuckDBPyConnection, exported: Path, version: str) -> None:
    files = f"{exported}/{VERSIONS[version]}/event_date=*/*.parquet"
    connection.execute("CREATE TABLE focus AS SELECT * FROM read_parquet(?, hive_partitioning = false)", [files])


@pytest.mark.parametrize("version", VERSIONS)
def test_every_kind_of_entry_keeps_every_rule(connection: duckdb.DuckDBPyConnection, exported: Path, version: str) -> None:
    load(connection, exported, version)
    assert check_rows(connection, version, "focus") == []
    kinds = connection.execute("SELECT DISTINCT ChargeCategory, ChargeClass FROM focus").fetchall()
    assert sorted(kinds, key=str) == [("Adjustment", None), ("Purchase", None), ("Usage", "Correction"), ("Usage", None)]
    assert version_of(VERSIONS[version]) == version


BREAKS = {
    "not null": "{c} = NULL",
    "allowed": "{c} = 'Whatever'",
    "together": "{c} = CASE WHEN {c} IS NULL THEN 'x' END",
    "only with": "{c} = {value}, {other} = NULL",
    "of what is sold": "{c} = NULL",
    "sign": "{c} = -1",
    "product": "{c} = {c} * 2 + 1",
    "national": "{c} = 'credits'",
    "format": "{c} = '1.5 tokens'",
    "month": "{c} = {c} + INTERVAL 1 DAY",
    "after": "ChargePeriodEnd = ChargePeriodStart",
    "before": "ChargePeriodStart = BillingPeriodEnd",
    "closed": "ChargeClass = CASE WHEN ChargeClass IS NULL THEN 'Correction' END",
    "purchases": "ChargeCategory = 'Purchase', ChargeFrequency = 'Usage-Based'",
    "usage only": "ChargeCategory = 'Credit', ConsumedQuantity = 1",
    "of usage": "ChargeCategory = 'Usage', ChargeClass = NULL, ConsumedQuantity = NULL",
    "no copy": "ResourceName = ResourceId",
    "parent": "ServiceCategory = 'Other'",
    "JSON": "{c} = '{{\"a\": {{}}}}'",
}
"""What is done to the rows to break a rule."""


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_notices_who_breaks_it(connection: duckdb.DuckDBPyConnection, exported: Path, rule: object) -> None:
    assert isinstance(rule, tuple)
    name, _, _, columns, versions = rule
    load(connection, exported, versions[0])
    column, _, what = name.partition(": ")
    value = "1" if column.endswith("Quantity") else "'x'"
    connection.execute(f"UPDATE focus SET {BREAKS[what].format(c=column, other=columns[-1], value=value)}")
    assert name in {broken.rule for broken in check_rows(connection, versions[0], "focus")}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ("ALTER TABLE focus DROP Tags", "Tags: present"),
        ("ALTER TABLE focus ADD tenant VARCHAR", "tenant: own"),
        ("ALTER TABLE focus ALTER ListCost TYPE DOUBLE", "ListCost: type"),
        ("UPDATE focus SET SkuPriceId = 'one for all'", "SkuPriceId: one SkuId"),
        ("UPDATE focus SET SkuId = 'one for all'", "SkuId: one SkuMeter"),
        ("UPDATE focus SET ServiceName = 'one for all'", "ServiceName: one ServiceCategory"),
    ],
)
def test_the_table_as_a_whole_is_looked_at(connection: duckdb.DuckDBPyConnection, exported: Path, change: str, rule: str) -> None:
    load(connection, exported, "1.2")
    connection.execute(change)
    assert rule in {broken.rule for broken in check_rows(connection, "1.2", "focus")}


def test_the_versions_have_as_many_columns_as_the_specification() -> None:
    assert {version: len(names) for version, names in COLUMNS.items()} == {"1.2": 57, "1.4": 65}
    assert version_of("lines") is None


def test_what_is_broken_is_told_in_a_line() -> None:
    assert told([Broken("a: b", "is so", 2), Broken("c: d", "is not", 1)]) == "a: b (is so): 2; c: d (is not): 1"
