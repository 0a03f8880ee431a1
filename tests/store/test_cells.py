"""A cell of a report taken apart adds up to the cell, to the last digit, by whatever basis and as of whatever time."""

from __future__ import annotations

from decimal import Decimal, localcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanledger.store.cells import MONEY, cell
from spanledger.store.conditions import Basis
from spanledger.store.ledger import Ledger
from spanledger.store.reports import report
from tests.store.histories import EDITS, Edit, adjustment, history
from tests.store.samples import DAY_NS, NOON, book, event


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path)


def test_sums_on_paper(ledger: Ledger) -> None:
    """Of acme: 0.0125, 0.0125 with output at 0.009 (so 0.0115), one unpriced; 0.0125 of globex is in no figure."""
    book(
        ledger,
        event(1),
        event(2),
        adjustment(9, event(2), 9 * 10**15),
        event(3, cost_usd=None, list_cost_usd=None, lines=(), price_state="unpriced"),
        event(4, tenant_id="globex"),
    )
    found = cell(ledger, filters={"tenant": "acme"}, count=1)
    assert (found.totals["entries"], found.totals["unpriced"], found.totals["cost_usd"]) == (3, 1, "0.024")
    assert (found.totals["input_tokens"], found.totals["customer_price_usd"]) == (3000, None)
    assert [(sums.unit, sums.rate_id, sums.quantity, sums.cost_usd, sums.example["catalog_id"]) for sums in found.rates] == [
        ("output_tokens", "openai/gpt-4o/output", 1000, "0.01", "catalog-1"),
        ("output_tokens", "r-new", 1000, "0.009", "cat-2"),
        ("input_tokens", "openai/gpt-4o/input", 2000, "0.005", "catalog-1"),
    ]
    assert [(row["kind"], row["reason"], row["run"], row["entries"], row["cost_usd"]) for row in found.booked] == [
        ("charge", None, None, 3, "0.025"),
        ("adjustment", "repriced", "rp1-x", 1, "-0.001"),
    ]
    assert [entry["cost_usd"] for entry in found.top] == ["0.0125"]
    assert (found.rest["entries"], found.rest["cost_usd"]) == (2, "0.0115")


def test_an_empty_cell_is_empty(ledger: Ledger) -> None:
    found = cell(ledger, filters={"tenant": "nobody"})
    assert (found.totals["entries"], found.totals["cost_usd"], found.models, found.rates, found.top) == (0, None, [], [], [])


def test_the_costliest_for_the_customer_come_first_where_that_is_asked(ledger: Ledger) -> None:
    book(ledger, event(1, customer_price_usd=1), event(2, customer_price_usd=3, cost_usd=0, list_cost_usd=0), event(3))
    ordered = cell(ledger, by_customer_price=True, count=2)
    assert [entry["customer_price_usd"] for entry in ordered.top] == ["0.000000000000000003", "0.000000000000000001"]
    assert ordered.totals["without_customer_price"] == 1


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=EDITS,
    basis=st.sampled_from(["start", "booked"]),
    tenant=st.sampled_from(["a", "b", None]),
    day=st.integers(0, 3),
    as_of=st.integers(0, 4),
)
def test_every_part_adds_up_to_the_reports_cell(
    tmp_path_factory: pytest.TempPathFactory,
    edits: list[Edit],
    basis: Basis,
    tenant: str | None,
    day: int,
    as_of: int,
) -> None:
    window = (NOON + day * DAY_NS - DAY_NS // 2, NOON + day * DAY_NS + DAY_NS // 2)
    with Ledger.open(tmp_path_factory.mktemp("cell")) as ledger:
        book(ledger, *history(edits))
        asked = {"window": window, "as_of_ns": NOON + as_of * DAY_NS, "basis": basis}
        found = cell(ledger, filters={"tenant": tenant}, count=2, **asked)  # type: ignore[arg-type]  # as named
        rows = report(ledger, ("tenant",), **asked).rows  # type: ignore[arg-type]  # as above
    calls, wanted = next(((row[1], row[-1]) for row in rows if row[0] == tenant), (0, None))
    assert found.totals["calls"] == calls
    assert sum(row["calls"] for row in found.models) == calls
    with localcontext(prec=76):
        said = Decimal(found.totals["cost_usd"] or 0)
        assert said == (wanted or 0)
        assert sum((Decimal(row["cost_usd"] or 0) for row in found.models), Decimal()) == said
        assert sum((Decimal(row["cost_usd"] or 0) for row in found.booked), Decimal()) == said
        assert sum((Decimal(sums.cost_usd) for sums in found.rates), Decimal()) == said
        shown = sum((Decimal(entry["cost_usd"] or 0) for entry in found.top), Decimal())
        assert shown + Decimal(found.rest["cost_usd"] or 0) == said
        assert len(found.top) + found.rest["entries"] == found.totals["entries"]
    assert set(found.rest) == {"entries", *MONEY}
