"""What changed since a time: before and after are what reports said and say, and every entry in between is counted."""

from __future__ import annotations

from decimal import Decimal, localcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanledger.enrich.book import reversal
from spanledger.store.changes import changed_entries, changes
from spanledger.store.errors import QueryError
from spanledger.store.ledger import Ledger
from spanledger.store.reports import report
from tests.store.histories import EDITS, Edit, adjustment, history
from tests.store.samples import DAY_NS, NOON, book, event

COST = Decimal("0.0125")
SINCE = NOON + DAY_NS


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Since a day after NOON: nobody's call went to acme, acme's was re-priced by -0.002, one came late, and one is simply new."""
    found = Ledger.open(tmp_path)
    wrong = event(2, tenant_id=None)
    book(found, event(1), wrong, event(9, tenant_id="globex"))
    after = SINCE + 5
    corrected = (reversal(wrong, "payer_found", after), wrong._replace(event_id=bytes([3] * 16), tenant_id="acme", reason="payer_found"))
    book(found, corrected[0], corrected[1]._replace(booked_ns=after), adjustment(4, event(1), 8 * 10**15, booked_ns=after + 1))
    book(found, event(5, booked_ns=after + 2), event(6, start_ns=SINCE, booked_ns=after + 3))
    return found


def test_before_change_and_after(ledger: Ledger) -> None:
    table = changes(ledger, since_ns=SINCE)
    assert table.columns == ("tenant", "month", "entries", "calls", "cost_before_usd", "change_usd", "cost_after_usd")
    assert table.rows == [
        ("acme", "2026-11", 3, 3, COST, 2 * COST - Decimal("0.002"), 3 * COST - Decimal("0.002")),
        (None, "2026-11", 1, 1, COST, -COST, Decimal(0)),
    ]
    assert table.totals == (None, None, 4, 3, 2 * COST, COST - Decimal("0.002"), 3 * COST - Decimal("0.002"))


def test_by_reason_there_is_only_the_difference(ledger: Ledger) -> None:
    table = changes(ledger, ["reason", "run_id"], since_ns=SINCE)
    assert table.columns == ("reason", "run", "entries", "calls", "change_usd")
    assert sorted(table.rows, key=str) == [
        ("booked_late", None, 1, 1, COST),
        ("payer_found", None, 2, 1, Decimal(0)),
        ("repriced", "rp1-x", 1, 1, Decimal("-0.002")),
    ]


def test_filters_and_the_end_of_the_window(ledger: Ledger) -> None:
    assert changes(ledger, ["tenant"], since_ns=SINCE, filters={"tenant": [None]}).rows == [(None, 1, 1, COST, -COST, Decimal(0))]
    assert changes(ledger, ["reason"], since_ns=SINCE, filters={"reason": "booked_late"}).rows == [("booked_late", 1, 1, COST)]
    assert changes(ledger, ["kind"], since_ns=SINCE, filters={"run": "rp1-x"}).rows == [("adjustment", 1, 1, Decimal("-0.002"))]
    assert changes(ledger, ["reason"], since_ns=SINCE, until_ns=SINCE + 6).rows == [("payer_found", 2, 1, Decimal(0))]
    assert changes(ledger, since_ns=SINCE + 9).rows == []
    assert changes(ledger, since_ns=SINCE + 9).totals == (None, None, 0, 0, None, None, None)
    with pytest.raises(QueryError):
        changes(ledger, ["colour"], since_ns=SINCE)


def test_the_entries_are_those_that_are_counted(ledger: Ledger) -> None:
    found = list(changed_entries(ledger, since_ns=SINCE))
    assert [(entry["kind"], entry["reason"]) for entry in found] == [
        ("reversal", "payer_found"), ("charge", "payer_found"), ("adjustment", "repriced"), ("charge", None),
    ]  # fmt: skip
    assert [entry["kind"] for entry in changed_entries(ledger, since_ns=SINCE, filters={"tenant": [None]})] == ["reversal"]
    assert len(list(changed_entries(ledger, since_ns=SINCE, until_ns=SINCE + 7))) == 3


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS, day=st.integers(0, 3))
def test_before_and_after_are_what_reports_say(tmp_path_factory: pytest.TempPathFactory, edits: list[Edit], day: int) -> None:
    since = NOON + day * DAY_NS + 1
    with Ledger.open(tmp_path_factory.mktemp("changes")) as ledger:
        book(ledger, *history(edits))
        table = changes(ledger, ["tenant", "day"], since_ns=since)
        entries = list(changed_entries(ledger, since_ns=since))
        asked = {"window": (None, since)}
        before = {row[:2]: row[-1] for row in report(ledger, ["tenant", "day"], as_of_ns=since - 1, **asked).rows}  # type: ignore[arg-type]  # as named
        after = {row[:2]: row[-1] for row in report(ledger, ["tenant", "day"], **asked).rows}  # type: ignore[arg-type]  # as above
    assert table.totals[2] == len(entries) == sum(row[2] for row in table.rows)
    with localcontext(prec=76):
        for tenant, date, _, _, cost_before, change, cost_after in table.rows:
            assert (cost_before or 0) == (before.get((tenant, date)) or 0)
            assert (cost_after or 0) == (after.get((tenant, date)) or 0)
            assert (cost_before or 0) + (change or 0) == (cost_after or 0)
        changed = {row[:2] for row in table.rows}
        assert all((before.get(key) or 0) == (cost or 0) for key, cost in after.items() if key not in changed)
