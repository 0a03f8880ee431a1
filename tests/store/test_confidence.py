"""Shares and bounds, on paper."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spanledger.enrich.events import CostEvent
from spanledger.store.confidence import COLUMNS, confidence
from spanledger.store.ledger import Ledger
from tests.store.samples import book, event

USD = 10**18


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path)
    yield opened
    opened.close()


def priced(number: int, usd: str, state: str = "measured", billing: str = "billed", **changes: Any) -> CostEvent:
    return event(number, cost_usd=int(Decimal(usd) * USD), usage_state=state, provider_billing=billing, **changes)


def unpriced(number: int, state: str = "measured", **changes: Any) -> CostEvent:
    return event(number, cost_usd=None, lines=(), price_state="unpriced", usage_state=state, **changes)


def figures(ledger: Ledger, *by: str) -> list[dict[str, Any]]:
    table = confidence(ledger, by)
    return [dict(zip(table.columns, row, strict=True)) for row in (*table.rows, table.totals)]


def test_shares_and_bounds_on_paper(ledger: Ledger) -> None:
    """Measured 1 and 3, partial 0.5, estimated 2, restated 4: 10.5 USD in 5 of 8 calls; one of them failed for nothing.

    Low: 1 + 3 + 0.5. High: 10.5, the partial call up to its model's largest (3 - 0.5), the unpriced one of a model without any
    and the silent one up to 3 each; the call that is not billed adds nothing: 10.5 + 2.5 + 3 + 3 = 19.
    """
    book(
        ledger,
        priced(1, "1"),
        priced(2, "3"),
        priced(3, "0.5", "partial"),
        priced(4, "2", "estimated", "assumed"),
        priced(5, "4", "aggregate", "assumed"),
        unpriced(6, response_model="nobody-knows-7b"),
        unpriced(7, "missing", provider_billing="unknown"),
        unpriced(8, "missing", provider_billing="not_billed", status="error"),
    )
    [row, totals] = figures(ledger, "tenant")
    assert totals == {**row, "tenant": None}
    assert row == {
        "tenant": "acme",
        "calls": 8,
        "measured_calls_pct": Decimal("25.0"),
        "partial_calls_pct": Decimal("12.5"),
        "estimated_calls_pct": Decimal("12.5"),
        "aggregate_calls_pct": Decimal("12.5"),
        "unpriced_calls_pct": Decimal("12.5"),
        "unmetered_calls_pct": Decimal("12.5"),
        "silent_failed_calls_pct": Decimal("12.5"),
        "measured_cost_pct": Decimal("38.1"),  # 4 of 10.5
        "partial_cost_pct": Decimal("4.8"),
        "estimated_cost_pct": Decimal("19.0"),
        "aggregate_cost_pct": Decimal("38.1"),
        "cost_low_usd": Decimal("4.5"),
        "cost_high_usd": Decimal("19"),
        "cost_usd": Decimal("10.5"),
    }
    assert tuple(row) == ("tenant", *COLUMNS)


def test_all_measured_is_certain(ledger: Ledger) -> None:
    book(ledger, priced(1, "1"), priced(2, "2", tenant_id="globex"))
    rows = figures(ledger, "tenant")
    assert [(row["cost_low_usd"], row["cost_usd"], row["cost_high_usd"], row["measured_calls_pct"]) for row in rows] == [
        (2, 2, 2, 100),
        (1, 1, 1, 100),
        (3, 3, 3, 100),
    ]


def test_a_gap_with_nothing_to_go_by_has_no_upper_bound(ledger: Ledger) -> None:
    book(ledger, unpriced(1))
    [row, totals] = figures(ledger, "tenant")
    for each in (row, totals):
        assert (each["cost_low_usd"], each["cost_usd"], each["cost_high_usd"], each["unpriced_calls_pct"]) == (0, None, None, 100)


def test_what_was_reversed_bounds_nothing(ledger: Ledger) -> None:
    """A call of 9 USD that was taken back is no measure for the one without usage."""
    wrong = priced(1, "9")
    undone = wrong._replace(kind="reversal", event_id=b"r" * 16, ref_event_id=wrong.event_id, cost_usd=-9 * USD)
    silent = unpriced(3, "missing")
    unsure = silent._replace(kind="reversal", event_id=b"s" * 16, ref_event_id=silent.event_id)
    book(ledger, wrong, undone, priced(2, "2"), silent, unsure, unpriced(4, "missing"))
    [row, _] = figures(ledger, "tenant")
    assert (row["calls"], row["cost_usd"], row["cost_high_usd"]) == (2, 2, 4)


def test_an_empty_ledger_has_nothing_to_be_sure_of(ledger: Ledger) -> None:
    table = confidence(ledger, ["tenant"])
    assert table.rows == []
    assert table.totals[1] == 0


def test_without_dimensions_there_is_one_row(ledger: Ledger) -> None:
    book(ledger, priced(1, "1"), priced(2, "2"))
    table = confidence(ledger, [])
    assert [row[0] for row in table.rows] == [2]
