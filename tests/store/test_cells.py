"""A cell of a report taken apart adds up to the cell, to the last digit, by whatever basis and as of whatever time."""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanledger.enrich.book import reversal
from spanledger.enrich.events import CostEvent, Line
from spanledger.store.cells import MONEY, cell
from spanledger.store.conditions import Basis
from spanledger.store.ledger import Ledger
from spanledger.store.reports import report
from tests.store.samples import DAY_NS, NOON, event


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path)


def book(ledger: Ledger, *events: CostEvent) -> None:
    ledger.commit(events, [], position=ledger.position + 1, open_position=0, booked_ns=NOON)


def adjustment(number: int, charge: CostEvent, cost: int, **changes: object) -> CostEvent:
    """The charge's output tokens at another price, such that they cost `cost` atto-USD."""
    old = charge.lines[-1]
    lines = (old._replace(rate_id="r-new", amount="9", cost_usd=cost), old._replace(quantity=-old.quantity, cost_usd=-old.cost_usd))
    nothing = {"input_tokens": None, "output_tokens": None, "wall_clock_ms": 0, "usage": ()}
    return charge._replace(
        event_id=number.to_bytes(16, "big"), kind="adjustment", ref_event_id=charge.event_id, reason="repriced", run_id="rp1-x",
        catalog_id="cat-2", lines=lines, cost_usd=cost - old.cost_usd, list_cost_usd=cost - old.cost_usd,
    )._replace(**nothing)._replace(**changes)  # fmt: skip


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


AMOUNTS = st.integers(0, 10**24)
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["charge", "reverse", "adjust", "unpriced"]),
        st.sampled_from(["a", "b", None]),
        st.integers(0, 3),
        st.integers(0, 3),
        AMOUNTS,
    ),
    min_size=1,
    max_size=12,
)  # fmt: skip


def ledger_of(edits: list[tuple[str, str | None, int, int, int]]) -> list[CostEvent]:
    """Entries booked one after another, each of a call that started on some day: charges, their reversals and adjustments."""
    days = accumulate((booked for _, _, _, booked, _ in edits), max)
    found: list[CostEvent] = []
    standing: list[CostEvent] = []
    for number, ((what, tenant, started, _, amount), booked) in enumerate(zip(edits, days, strict=True), 1):
        when = {"booked_ns": NOON + booked * DAY_NS}
        if what in ("charge", "unpriced") or not standing:
            cost = None if what == "unpriced" else amount
            lines = () if cost is None else (Line("output_tokens", 1_000, "r", "1", 1, amount),)
            price = {"cost_usd": cost, "list_cost_usd": cost, "lines": lines, "price_state": "unpriced" if cost is None else "priced"}
            entry = event(number, tenant_id=tenant, start_ns=NOON + started * DAY_NS, **price, **when)
            standing.append(entry)
            found.append(entry)
        elif what == "reverse" or standing[0].cost_usd is None:
            charge = standing.pop(0)
            undone = [each for each in found if each.kind == "adjustment" and each.ref_event_id == charge.event_id]
            for offset, each in enumerate([charge, *undone]):
                found.append(reversal(each, "revised", when["booked_ns"])._replace(event_id=(number * 1000 + offset).to_bytes(16, "big")))
        else:
            found.append(adjustment(number, standing[0], amount, **when))
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=EDITS,
    basis=st.sampled_from(["start", "booked"]),
    tenant=st.sampled_from(["a", "b", None]),
    day=st.integers(0, 3),
    as_of=st.integers(0, 4),
)
def test_every_part_adds_up_to_the_reports_cell(
    tmp_path_factory: pytest.TempPathFactory,
    edits: list[tuple[str, str | None, int, int, int]],
    basis: Basis,
    tenant: str | None,
    day: int,
    as_of: int,
) -> None:
    window = (NOON + day * DAY_NS - DAY_NS // 2, NOON + day * DAY_NS + DAY_NS // 2)
    with Ledger.open(tmp_path_factory.mktemp("cell")) as ledger:
        book(ledger, *ledger_of(edits))
        asked = {"window": window, "as_of_ns": NOON + as_of * DAY_NS, "basis": basis}
        found = cell(ledger, filters={"tenant": tenant}, count=2, **asked)  # type: ignore[arg-type]  # as named
        rows = report(ledger, ("tenant",), **asked).rows  # type: ignore[arg-type]  # as above
    (wanted,) = [row[-1] for row in rows if row[0] == tenant] or [None]
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
