from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spanledger.enrich.events import CostEvent
from spanledger.enrich.meters import METERED_SPLIT
from spanledger.store.errors import QueryError
from spanledger.store.ledger import Ledger
from spanledger.store.reports import MEASURES, Table, report, top
from tests.store.samples import DAY_NS, NOON, book, event

HOUR_NS = 3_600_000_000_000
ATTO = 10**18


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path)


def reversal(undone: CostEvent, number: int, **changes: Any) -> CostEvent:
    negated = {name: -value for name in ("input_tokens", "output_tokens", "cost_usd") if (value := getattr(undone, name)) is not None}
    return undone._replace(kind="reversal", event_id=number.to_bytes(16, "big"), ref_event_id=undone.event_id, **negated, **changes)


def rows(table: Table, *columns: str) -> list[tuple[Any, ...]]:
    at = [table.columns.index(name) for name in columns]
    return [tuple(row[i] for i in at) for row in table.rows]


def test_sums_on_paper(ledger: Ledger) -> None:
    """acme: 0.0125 + 0.0125 = 0.025 of 2 calls, one failed; globex: 3 USD and an unpriced call; nobody: an unmetered one, 0.5 USD."""
    book(
        ledger,
        event(1),
        event(2, status="error", reasoning_tokens=7, cache_read_tokens=100, cache_write_tokens=50),
        event(3, tenant_id="globex", cost_usd=3 * ATTO),
        event(4, tenant_id="globex", cost_usd=None, price_state="unpriced"),
        event(5, tenant_id=None, cost_usd=ATTO // 2, usage_state="missing", input_tokens=None, output_tokens=None),
    )
    table = report(ledger, ["tenant"])
    assert table.columns == ("tenant", *MEASURES)
    # tenant, calls, failed, unpriced, unmetered, unpriced metered, input, cache read, cache write, output, reasoning, cost
    assert table.rows == [
        ("globex", 2, 0, 1, 0, 0, 2000, 0, 0, 2000, 0, Decimal("3")),
        (None, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, Decimal("0.5")),
        ("acme", 2, 1, 0, 0, 0, 2000, 100, 50, 2000, 7, Decimal("0.025")),
    ]
    assert table.totals == (None, 5, 1, 1, 1, 0, 4000, 100, 50, 4000, 7, Decimal("3.525"))


def test_a_reversal_takes_its_charge_out_of_every_figure(ledger: Ledger) -> None:
    wrong = event(1, tenant_id=None, status="error")
    book(ledger, wrong, reversal(wrong, 2), event(3, tenant_id="acme", status="error"))
    assert rows(report(ledger), "tenant", "calls", "failed_calls", "input_tokens", "cost_usd") == [("acme", 1, 1, 1000, Decimal("0.0125"))]


def test_an_adjustment_changes_the_cost_and_not_the_calls(ledger: Ledger) -> None:
    change = event(2, kind="adjustment", input_tokens=0, output_tokens=0, cost_usd=-(10**15), ref_event_id=event(1).event_id)
    book(ledger, event(1), change)
    assert rows(report(ledger), "calls", "input_tokens", "cost_usd") == [(1, 1000, Decimal("0.0115"))]


def test_a_shared_call_is_one_of_each_payer_and_one_in_all(ledger: Ledger) -> None:
    """Three parts of one failed call, one of them taken back and given to another, beside a call that nobody shares."""
    call = {"trace_id": bytes([7] * 16), "span_id": bytes([7] * 8), "split_weight": "1/3", "status": "error"}
    wrong = event(3, split_index=2, tenant_id="b", **call)
    book(
        ledger,
        event(1, split_index=0, tenant_id="a", **call),
        event(2, split_index=1, tenant_id="b", **call),
        *(wrong, reversal(wrong, 4), event(5, split_index=2, tenant_id="c", **call)),
        event(6, tenant_id="a"),
        event(7, tenant_id="a", authority="other", split_index=0, **call),  # another account's call with the same ids
    )
    table = report(ledger)
    counted = rows(table, "tenant", "calls", "failed_calls", "input_tokens")
    assert sorted(counted) == [("a", 3, 2, 3000), ("b", 1, 1, 1000), ("c", 1, 1, 1000)]
    assert table.totals[1:3] == (3, 2)
    assert rows(report(ledger, ["model"]), "calls", "failed_calls") == [(3, 2)]
    assert report(ledger, filters={"tenant": "c"}).totals[1] == 1


def test_what_meters_charge_is_cost_and_no_call(ledger: Ledger) -> None:
    metered = {"split_index": METERED_SPLIT, "cost_surface": "tool_execution", "status": "error"}
    shared = {**metered, "split_weight": "1/2", "trace_id": bytes([7] * 16)}
    retrieval = event(4, cost_surface="memory_retrieval", operation="embeddings")
    book(ledger, event(1), event(2, **metered), event(3, **{**shared, "split_index": METERED_SPLIT + 1}), retrieval)
    counted = rows(report(ledger, ["surface"]), "surface", "calls", "failed_calls", "cost_usd")
    cost = Decimal("0.0125")
    assert sorted(counted) == [("inference", 1, 0, cost), ("memory_retrieval", 1, 0, cost), ("tool_execution", 0, 0, 2 * cost)]


def test_unpriced_and_unmetered_are_told_apart(ledger: Ledger) -> None:
    """Without usage there is nothing to price; that a failed call has none is no gap."""
    unknown = {"cost_usd": None, "price_state": "unpriced"}
    book(
        ledger,
        event(1, **unknown),
        event(2, usage_state="missing", **unknown),
        event(3, usage_state="missing", status="error", **unknown),
    )
    assert rows(report(ledger), "calls", "failed_calls", "unpriced_calls", "unmetered_calls") == [(3, 1, 1, 1)]


def test_unpriced_is_unknown_and_not_zero(ledger: Ledger) -> None:
    book(ledger, event(1, cost_usd=None, price_state="unpriced"), event(2, tenant_id="free", cost_usd=0))
    table = report(ledger)
    assert rows(table, "tenant", "cost_usd") == [("free", Decimal(0)), ("acme", None)]
    assert table.totals[-1] == Decimal(0)
    assert report(ledger, filters={"tenant": "acme"}).totals[-1] is None


def test_no_digit_is_lost_in_large_sums(ledger: Ledger) -> None:
    """99,999,999,999,999,999,999 USD and 1e-18 USD: 38 digits, where a float has 15 and a default Decimal 28."""
    book(ledger, event(1, tenant_id="a", cost_usd=(10**20 - 1) * ATTO), event(2, tenant_id="b", cost_usd=1))
    assert report(ledger).totals[-1] == Decimal("99999999999999999999.000000000000000001")
    assert report(ledger, []).rows == [(2, 0, 0, 0, 0, 2000, 0, 0, 2000, 0, Decimal("99999999999999999999.000000000000000001"))]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("user", "u-1"),
        ("session", "s-1"),
        ("workflow", "answer"),
        ("agent", "support"),
        ("feature", "chat"),
        ("environment", "prod"),
        ("service", "svc-1"),
        ("provider", "openai"),
        ("model", "gpt-4o-2024-08-06"),
        ("operation", "chat"),
        ("surface", "inference"),
        ("tier", "default"),
        ("hour", "2026-11-21T12:00+00:00"),
        ("day", "2026-11-21"),
        ("week", "2026-W47"),
        ("month", "2026-11"),
    ],
)
def test_every_dimension(ledger: Ledger, by: str, expected: str) -> None:
    book(ledger, event(1))
    assert rows(report(ledger, [by]), by, "calls") == [(expected, 1)]


def test_dimensions_have_the_names_that_people_type(ledger: Ledger) -> None:
    book(ledger, event(1))
    table = report(ledger, ["Tenant_ID", "cost-surface", "models", "days"])
    assert table.columns[:4] == ("tenant", "surface", "model", "day")
    with pytest.raises(QueryError, match="twice"):
        report(ledger, ["tenant", "tenants"])
    with pytest.raises(QueryError, match="cannot report by 'colour'; there are tenant, user") as refused:
        report(ledger, ["colour"])
    names = str(refused.value).partition("there are ")[2].split(", ")
    assert len(names) == len(set(names))


def test_the_model_asked_for_stands_in_for_one_that_did_not_answer(ledger: Ledger) -> None:
    book(ledger, event(1, response_model=None))
    assert rows(report(ledger, ["model"]), "model") == [("gpt-4o",)]


def test_days_begin_where_the_time_zone_says(ledger: Ledger) -> None:
    """23:30 UTC is the next day in Berlin and still the same in New York; rows come by time, then by cost."""
    book(ledger, event(1, start_ns=NOON + 11 * HOUR_NS + HOUR_NS // 2), event(2), event(3, tenant_id="rich", cost_usd=9 * ATTO))
    assert rows(report(ledger, ["day", "tenant"], tz="Europe/Berlin"), "day", "tenant", "calls") == [
        ("2026-11-21", "rich", 1),
        ("2026-11-21", "acme", 1),
        ("2026-11-22", "acme", 1),
    ]
    assert rows(report(ledger, ["day"], tz="America/New_York"), "day", "calls") == [("2026-11-21", 3)]


def test_the_window_is_half_open_to_the_nanosecond(ledger: Ledger) -> None:
    book(ledger, event(1), event(2, start_ns=NOON + 1), event(3, start_ns=NOON - 1), event(4, start_ns=NOON - 3 * DAY_NS))
    assert report(ledger, window=(NOON, NOON + 1)).totals[1] == 1
    assert report(ledger, window=(None, NOON)).totals[1] == 2
    assert report(ledger, window=(NOON + DAY_NS, None)).rows == []


def test_as_of_shows_what_stood_then(ledger: Ledger) -> None:
    wrong = event(1, booked_ns=NOON)
    book(ledger, wrong, reversal(wrong, 2, booked_ns=NOON + 10), event(3, tenant_id="right", booked_ns=NOON + 10))
    assert rows(report(ledger, as_of_ns=NOON + 9), "tenant") == [("acme",)]
    assert rows(report(ledger, as_of_ns=NOON + 10), "tenant") == [("right",)]


def test_dates_at_the_ends_of_time_are_reported(ledger: Ledger) -> None:
    book(ledger, event(1, start_ns=0), event(2, start_ns=2**63 - 1))
    assert rows(report(ledger, ["month"], tz="Asia/Tokyo"), "month") == [("1970-01",), ("2262-04",)]


def test_an_empty_ledger_gives_an_empty_report(ledger: Ledger) -> None:
    table = report(ledger, ["tenant", "day"])
    assert (table.rows, table.totals) == ([], (None, None, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, None))


@pytest.mark.parametrize("by", [["nothing"], ["tenant_id; DROP TABLE entries"], ["tenant", "tenant"], [""]])
def test_unknown_names_are_refused(ledger: Ledger, by: list[str]) -> None:
    with pytest.raises(QueryError):
        report(ledger, by)


def test_top_is_the_costliest_with_the_totals_of_all(ledger: Ledger) -> None:
    book(ledger, *(event(n, tenant_id=f"t{n}", cost_usd=n * ATTO) for n in range(1, 6)), event(9, tenant_id="none", cost_usd=None))
    table = top(ledger, window=(NOON, None), count=2)
    assert rows(table, "tenant", "cost_usd") == [("t5", Decimal(5)), ("t4", Decimal(4))]
    assert table.totals[-1] == Decimal(15)
