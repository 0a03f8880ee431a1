"""A period that is over stays as it is by the time of booking, its corrections stand where they were made, and both ways add up alike."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanledger.enrich.book import reversal
from spanledger.store.confidence import confidence
from spanledger.store.ledger import Ledger
from spanledger.store.reports import Table, report
from spanledger.store.times import nanoseconds
from tests.store.histories import EDITS, Edit, adjustment, history
from tests.store.samples import DAY_NS, NOON, book, event

NOVEMBER = nanoseconds(datetime(2026, 11, 1, tzinfo=UTC))
DECEMBER = nanoseconds(datetime(2026, 12, 1, tzinfo=UTC))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path)


def shown(table: Table, *names: str) -> list[tuple[Any, ...]]:
    at = [table.columns.index(name) for name in names]
    return [tuple(row[i] for i in at) for row in table.rows]


def test_a_closed_month_keeps_its_figures_and_the_next_one_shows_the_corrections(ledger: Ledger) -> None:
    """November: a call of acme and one of nobody, 0.0125 each. In December nobody's is found to be acme's, and acme's is re-priced by
    -0.002; a third call of November comes late."""
    in_november = {"start_ns": DECEMBER - DAY_NS, "booked_ns": DECEMBER - DAY_NS // 2}
    first, wrong = event(1, **in_november), event(2, tenant_id=None, **in_november)
    book(ledger, first, wrong)
    asked: dict[str, Any] = {"window": (NOVEMBER, DECEMBER), "basis": "booked"}
    closed = report(ledger, **asked)
    by_start = report(ledger, window=(NOVEMBER, DECEMBER))
    sure = confidence(ledger, **asked)
    late = DECEMBER + DAY_NS
    right = event(3, reason="payer_found", start_ns=wrong.start_ns, booked_ns=late)
    book(ledger, reversal(wrong, "payer_found", late), right, adjustment(4, first, 8 * 10**15, booked_ns=late))
    book(ledger, event(5, start_ns=DECEMBER - 1, booked_ns=late))

    assert report(ledger, **asked) == closed
    assert confidence(ledger, **asked) == sure
    assert report(ledger, window=(NOVEMBER, DECEMBER), as_of_ns=DECEMBER) == by_start == closed
    cost = Decimal("0.0125")
    assert shown(report(ledger, window=(NOVEMBER, DECEMBER)), "tenant", "calls", "cost_usd") == [("acme", 3, 3 * cost - Decimal("0.002"))]

    december = report(ledger, ["month", "tenant", "kind"], window=(DECEMBER, None), basis="booked")
    assert sorted(shown(december, "month", "tenant", "kind", "calls", "cost_usd"), key=str) == [
        ("2026-12", "acme", "adjustment", 0, Decimal("-0.002")),
        ("2026-12", "acme", "charge", 2, 2 * cost),
        ("2026-12", None, "reversal", -1, -cost),
    ]
    months = report(ledger, ["month"], basis="booked")
    assert shown(months, "month", "calls", "cost_usd") == [("2026-11", 2, 2 * cost), ("2026-12", 1, cost - Decimal("0.002"))]
    assert months.totals[1:] == report(ledger, ["month"]).totals[1:]


def test_months_of_booking_are_those_of_the_time_zone(ledger: Ledger) -> None:
    book(ledger, event(1, start_ns=NOON, booked_ns=DECEMBER - 1))
    assert shown(report(ledger, ["month"], basis="booked"), "month") == [("2026-11",)]
    assert shown(report(ledger, ["month"], basis="booked", tz="Europe/Berlin"), "month") == [("2026-12",)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS, day=st.integers(0, 3))
def test_what_is_over_never_changes_and_both_bases_add_up_alike(
    tmp_path_factory: pytest.TempPathFactory, edits: list[Edit], day: int
) -> None:
    end = NOON + day * DAY_NS + 1
    entries = history(edits)
    with Ledger.open(tmp_path_factory.mktemp("closed")) as ledger:
        book(ledger, *(entry for entry in entries if entry.booked_ns < end))
        closed = report(ledger, ["day", "tenant"], window=(None, end), basis="booked")
        stood = report(ledger, ["day", "tenant"])
        book(ledger, *(entry for entry in entries if entry.booked_ns >= end))
        assert report(ledger, ["day", "tenant"], window=(None, end), basis="booked") == closed
        assert report(ledger, ["day", "tenant"], as_of_ns=end - 1) == stood
        started, booked = report(ledger, ["day"]), report(ledger, ["day"], basis="booked")
    assert [figure or 0 for figure in started.totals] == [figure or 0 for figure in booked.totals]
    with localcontext(prec=76):
        assert sum((row[-1] or 0 for row in started.rows), Decimal()) == sum((row[-1] or 0 for row in booked.rows), Decimal())
