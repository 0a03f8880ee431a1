"""List, contracted, effective and billed cost of FOCUS rows come to the entries' own columns, whatever prices and corrections made them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal, localcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanledger.enrich.adjust import ByRun, corrections, price_again
from spanledger.enrich.book import identified
from spanledger.enrich.events import CostEvent
from spanledger.enrich.split import split_event
from spanledger.store.export.every import SHAPES
from spanledger.store.export.export import Request, export
from spanledger.store.export.focus_check import check_rows
from spanledger.store.export.targets import FolderTarget
from tests.store.focus_ledger import CONTRACTED, DEARER, IN_EUROPE, LIST, call, every_kind, ledger_of
from tests.store.pricing import charges
from tests.store.samples import NOON

PAID = ("BilledCost", "EffectiveCost", "ContractedCost")


def focus(folder: Path, entries: Sequence[CostEvent]) -> list[dict[str, Any]]:
    """The FOCUS rows of a ledger of these entries, held against the rules."""
    with ledger_of(folder / "data", entries) as ledger:
        export(ledger, FolderTarget(folder / "out"), Request(SHAPES["focus"], "parquet", is_checked=True), now_text="now")
    files = sorted((folder / "out/focus").glob("event_date=*/*.parquet"))
    return [row for file in files for row in pq.read_table(file, partitioning=None).to_pylist()]


def usd(amount: int | None) -> Decimal:
    with localcontext(prec=76):
        return Decimal(amount or 0).scaleb(-18)


def assert_sums(rows: list[dict[str, Any]], entries: Sequence[CostEvent]) -> None:
    """Entry by entry, to the last digit; what has no list price is at what was paid."""
    sums: defaultdict[tuple[int, str], Decimal] = defaultdict(Decimal)
    with localcontext(prec=76):
        for row in rows:
            for name in (*PAID, "ListCost"):
                sums[row["x_EntryNumber"], name] += row[name]
    for number, entry in enumerate(entries, 1):
        for name in PAID:
            assert sums[number, name] == usd(entry.cost_usd), (number, name)
        assert sums[number, "ListCost"] == usd(entry.cost_usd if entry.list_cost_usd is None else entry.list_cost_usd), number


def prices(rows: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """By meter: the list and the contracted unit price."""
    return {row["SkuMeter"]: (f"{row['ListUnitPrice'].normalize():f}", f"{row['ContractedUnitPrice'].normalize():f}") for row in rows}


def test_every_kind_of_entry_adds_up(tmp_path: Path) -> None:
    entries = every_kind()
    assert_sums(focus(tmp_path, entries), entries)


def test_a_discount_a_fixed_rate_and_a_region_stand_beside_their_list_prices(tmp_path: Path) -> None:
    """12.5 % off; input tokens agreed at 1.7; a region in which everything costs 1.1 times as much, and then 12.5 % off."""
    discount = focus(tmp_path / "a", [call(1, "full", CONTRACTED, tenant_id="globex")])
    fixed = focus(tmp_path / "b", [call(1, "plain", CONTRACTED)])
    regional = focus(tmp_path / "c", [call(1, "regional", IN_EUROPE, region="eu")])
    assert prices(discount) == {"Input Tokens": ("3", "2.625"), "Output Tokens": ("15", "13.125")}
    assert prices(fixed) == {"Input Tokens": ("3", "1.7"), "Output Tokens": ("15", "15")}
    assert prices(regional) == {"Input Tokens": ("3.3", "2.8875"), "Output Tokens": ("16.5", "14.4375")}
    assert {row["RegionId"] for row in regional} == {"eu"}


def test_a_long_request_is_at_the_list_prices_of_long_requests(tmp_path: Path) -> None:
    """Above 2,000 input tokens 4 and 16, from 4,000 on 7 for input; 12.5 % off."""
    rows = focus(tmp_path, [call(1, "long", CONTRACTED, tenant_id="globex", input_tokens=4_000)])
    assert prices(rows) == {"Input Tokens": ("7", "6.125"), "Output Tokens": ("16", "14")}


def test_a_share_of_a_long_request_too(tmp_path: Path) -> None:
    """5,000 tokens shared 1 : 2 : 4: no share is of a long request, the request was. Priced is the exact share, not whole tokens."""
    shares = [entry for entry in every_kind() if entry.split_weight is not None]
    assert len(shares) == 3
    rows = focus(tmp_path, shares)
    assert prices(rows) == {"Input Tokens": ("7", "6.125"), "Output Tokens": ("16", "14")}
    assert {row["PricingQuantity"] for row in rows if row["SkuMeter"] == "Input Tokens"} == {
        Decimal("0.000714285714285714"), Decimal("0.001428571428571429"), Decimal("0.002857142857142857"),
    }  # fmt: skip
    assert sum(row["ConsumedQuantity"] for row in rows if row["SkuMeter"] == "Input Tokens") == 5_000


def test_a_share_that_is_priced_again(tmp_path: Path) -> None:
    """100 tokens shared 1 : 2, first at 3 a million, then at 6: a third of the 100 is taken back at 3 and charged at 6, not 33 of them."""
    whole = call(1, "plain", LIST, tenant_id=None, input_tokens=100, output_tokens=0)
    shares = [identified(part, 0, NOON) for part in price_again(list(split_event(whole, (("acme", 1), ("globex", 2)))), LIST)]
    run = ByRun("rp1-run", DEARER.catalog_id, NOON, "1")
    again = [made for was, wanted in zip(shares, price_again(shares, DEARER), strict=True) for made in corrections([was], wanted, 1, run)]
    rows = focus(tmp_path, [*shares, *again])
    assert_sums(rows, [*shares, *again])
    assert {(row["ContractedUnitPrice"], row["PricingQuantity"]) for row in rows if row["x_EntryNumber"] > 2} == {
        (6, Decimal("0.000033333333333333")), (3, Decimal("-0.000033333333333333")),
        (6, Decimal("0.000066666666666667")), (3, Decimal("-0.000066666666666667")),
    }  # fmt: skip


def test_what_a_customer_pays_is_no_cost(tmp_path: Path) -> None:
    """Globex pays by a rate card of its own; FOCUS shows what the call costs the company."""
    sold = call(1, "plain", CONTRACTED, tenant_id="globex")
    assert sold.customer_price_usd is not None
    assert sold.customer_price_usd > (sold.cost_usd or 0)
    assert_sums(focus(tmp_path, [sold]), [sold])


def test_prices_of_a_catalog_that_is_not_on_record_are_shared_out(tmp_path: Path) -> None:
    """List prices 1.6 times what was paid, and a digit more that no line can have: the last one takes it."""
    rows = focus(tmp_path, [entry for entry in every_kind() if entry.catalog_id == "gone"])
    assert {row["SkuMeter"]: row["ListCost"] for row in rows} == {
        "Input Tokens": Decimal("0.004"),
        "Output Tokens": Decimal("0.016000000000000001"),
    }


def test_a_sku_price_is_the_same_with_and_without_a_contract(tmp_path: Path) -> None:
    listed, agreed = focus(tmp_path / "a", [call(1, "plain", LIST)]), focus(tmp_path / "b", [call(1, "plain", CONTRACTED)])
    assert sorted(row["SkuPriceId"] for row in listed) == sorted(row["SkuPriceId"] for row in agreed)
    other = focus(tmp_path / "c", [call(1, "plain", DEARER)])
    assert not {row["SkuPriceId"] for row in other} & {row["SkuPriceId"] for row in agreed}


calls = st.integers(1, 12).flatmap(lambda count: st.tuples(*(charges(number) for number in range(1, count + 1))))


@settings(deadline=None, max_examples=6, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(calls)
def test_any_ledger_adds_up_and_keeps_the_rules(booked: tuple[list[CostEvent], ...]) -> None:
    entries = [entry for each in booked for entry in each]
    with TemporaryDirectory() as folder:
        assert_sums(focus(Path(folder), entries), entries)


def test_rows_are_checked_where_they_are_written(tmp_path: Path) -> None:
    """The control of the two above: the check is of what is in the files."""
    focus(tmp_path, every_kind())
    with duckdb.connect() as connection:
        files = f"(SELECT * REPLACE (ListCost + 1 AS ListCost) FROM read_parquet('{tmp_path}/out/focus/event_date=*/*.parquet'))"
        assert "ListUnitPrice: product" in {broken.rule for broken in check_rows(connection, "1.2", files)}
