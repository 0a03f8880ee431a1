"""All reports count the same calls: one ledger with splits, corrections and metered charges, asked in three ways."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spanledger.enrich.events import CostEvent
from spanledger.enrich.meters import METERED_SPLIT
from spanledger.enrich.shared import SharedCost
from spanledger.store.allotments import allotted_report
from spanledger.store.confidence import confidence
from spanledger.store.ledger import Ledger
from spanledger.store.query import EVERYTHING
from spanledger.store.reports import Table, report
from tests.store.samples import NOON, book, event

USD = 10**18


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path)
    yield opened
    opened.close()


def paid(number: int, tenant: str, usd: int | None, **changes: Any) -> CostEvent:
    state = "unpriced" if usd is None else "priced"
    return event(number, tenant_id=tenant, cost_usd=None if usd is None else usd * USD, price_state=state, **changes)


def parts(number: int, call: int, *shares: tuple[str, int | None], **changes: Any) -> list[CostEvent]:
    """The parts of one call, equal ones."""
    ids = {"trace_id": bytes([call] * 16), "span_id": bytes([call] * 8), "split_weight": f"1/{len(shares)}"}
    first = changes.pop("split_index", 0)
    return [paid(number + n, tenant, usd, split_index=first + n, **ids, **changes) for n, (tenant, usd) in enumerate(shares)]


def undone(charge: CostEvent, number: int) -> CostEvent:
    negated = {name: -value for name in ("input_tokens", "output_tokens", "cost_usd") if (value := getattr(charge, name)) is not None}
    return charge._replace(kind="reversal", event_id=number.to_bytes(16, "big"), ref_event_id=charge.event_id, **negated)


def metered(number: int, tenant: str, usd: int | None, meter: str = "meter:search", **changes: Any) -> CostEvent:
    named = {"usage_basis": meter, "cost_surface": "tool_execution", "request_model": None, "response_model": None}
    return paid(number, tenant, usd, **{"split_index": METERED_SPLIT, "input_tokens": None, "output_tokens": None, **named, **changes})


def allotted(ledger: Ledger, *by: str, shared: SharedCost | None = None) -> Table:
    return allotted_report(ledger, by, [shared or SharedCost(name="pot", monthly_usd=0, by="calls")], window=EVERYTHING, now_ns=NOON)


def column(table: Table, name: str) -> dict[Any, Any]:
    """A figure by the first dimension; the total's under "all"."""
    at = table.columns.index(name)
    return {row[0]: row[at] for row in table.rows} | {"all": table.totals[at]}


def mixed(ledger: Ledger) -> None:
    """Calls: one of acme alone; one of acme, globex and initech; one taken back from globex and given to acme; one silent, one unpriced.

    Then what meters charge: 5 USD of acme, 2 and 2 shared by globex and hooli, and one of umbrella that has no price.
    """
    wrong = paid(10, "globex", 7)
    silent = {"usage_state": "missing", "input_tokens": None, "output_tokens": None}
    book(
        ledger,
        paid(1, "acme", 1),
        *parts(2, 77, ("acme", 1), ("globex", 1), ("initech", 1)),
        *(wrong, undone(wrong, 11), paid(12, "acme", 7, trace_id=wrong.trace_id, span_id=wrong.span_id)),
        paid(20, "globex", None, **silent),
        paid(21, "globex", None, **silent, status="error"),
        paid(22, "initech", None),
        metered(30, "acme", 5),
        *parts(31, 78, ("globex", 2), ("hooli", 2), split_index=METERED_SPLIT, usage_basis="meter:search", cost_surface="tool_execution"),
        metered(33, "umbrella", None, "meter:other"),
    )


CALLS = {"acme": 3, "globex": 3, "initech": 2, "hooli": 0, "umbrella": 0, "all": 6}
COST = {"acme": 14, "globex": 3, "initech": 1, "hooli": 2, "umbrella": None, "all": 20}


def test_every_report_counts_the_same_calls_and_cost(ledger: Ledger) -> None:
    mixed(ledger)
    for table in (report(ledger), confidence(ledger), allotted(ledger, "tenant")):
        assert column(table, "calls") == CALLS
        assert column(table, "cost_usd") == COST


@pytest.mark.parametrize("by", ["model", "surface", "month"])
def test_a_shared_call_is_one_in_every_row_that_has_it_all(ledger: Ledger, by: str) -> None:
    mixed(ledger)
    plain = report(ledger, [by])
    for table in (confidence(ledger, [by]), allotted(ledger, by)):
        assert column(table, "calls") == column(plain, "calls")
        assert column(table, "cost_usd") == column(plain, "cost_usd")


def test_shares_are_those_of_the_reports_counts(ledger: Ledger) -> None:
    """globex: a part of a priced call, a silent one and one that failed silently; initech: half its calls have no price."""
    mixed(ledger)
    plain, sure = report(ledger), confidence(ledger)
    calls = column(plain, "calls")
    for counted in ("unpriced_calls", "unmetered_calls"):
        for tenant, count in column(plain, counted).items():
            share = column(sure, f"{counted}_pct")[tenant]
            assert share == (round(Decimal(count) * 100 / calls[tenant], 1) if calls[tenant] else None)
    for name in ("measured", "unmetered", "silent_failed"):
        assert column(sure, f"{name}_calls_pct")["globex"] == Decimal("33.3")
    shares = [at for at, name in enumerate(sure.columns) if name.endswith("_calls_pct")]
    assert all(abs(sum(row[at] for at in shares) - 100) < 1 for row in sure.rows if row[1])


def test_what_a_meter_charges_without_a_price_is_shown_and_never_zero(ledger: Ledger) -> None:
    """Nothing but that: no call, no tokens, and a cost that nobody knows, also at the upper bound."""
    book(ledger, metered(1, "umbrella", None))
    plain = report(ledger)
    assert column(plain, "unpriced_metered") == {"umbrella": 1, "all": 1}
    assert column(plain, "unpriced_calls") == {"umbrella": 0, "all": 0}
    sure = confidence(ledger)
    for table, name in ((plain, "cost_usd"), (sure, "cost_usd"), (sure, "cost_high_usd"), (allotted(ledger, "tenant"), "total_usd")):
        assert column(table, name) == {"umbrella": None, "all": None}


def test_what_was_taken_back_leaves_no_row(ledger: Ledger) -> None:
    """The negative control: neither calls nor meters that were reversed are shown, though they were booked."""
    wrong, free = metered(1, "umbrella", None), paid(3, "globex", 0)
    book(ledger, wrong, undone(wrong, 2), free, undone(free, 4), metered(5, "acme", 0))
    for table in (report(ledger), confidence(ledger), allotted(ledger, "tenant")):
        assert column(table, "calls") == {"acme": 0, "all": 0}  # what is free was charged, and is no gap


def test_the_bound_of_a_part_is_its_part_of_the_largest_call(ledger: Ledger) -> None:
    """The largest call is the one of three parts, 9 USD. Of an unpriced one by two, each may bear 4.5."""
    book(ledger, *parts(1, 77, ("acme", 3), ("globex", 3), ("initech", 3)), *parts(5, 79, ("hooli", None), ("umbrella", None)))
    sure = confidence(ledger)
    half = Decimal("4.5")
    assert column(sure, "cost_high_usd") == {"acme": 3, "globex": 3, "initech": 3, "hooli": half, "umbrella": half, "all": 18}


def test_a_meter_bounds_only_itself(ledger: Ledger) -> None:
    """A search without a price costs at most what the dearest search did, however dear a call was; and the other way round."""
    book(ledger, metered(1, "acme", 2), metered(2, "globex", None), paid(3, "acme", 9), paid(4, "initech", None))
    assert column(confidence(ledger), "cost_high_usd") == {"acme": 11, "globex": 2, "initech": 9, "all": 22}


def test_a_price_that_was_adjusted_is_what_bounds(ledger: Ledger) -> None:
    """5 USD less 2; a part of the usage of the other is unknown, booked at 1 and adjusted to 2: one more to the bound of 3."""
    known, partial = paid(1, "acme", 5), paid(2, "globex", 1, usage_state="partial")
    less = known._replace(event_id=b"l" * 16, kind="adjustment", ref_event_id=known.event_id, cost_usd=-2 * USD)
    more = partial._replace(event_id=b"m" * 16, kind="adjustment", ref_event_id=partial.event_id, cost_usd=USD)
    book(ledger, known, partial, less, more)
    assert column(confidence(ledger), "cost_high_usd") == {"acme": 3, "globex": 3, "all": 6}


def test_an_allotment_by_calls_goes_by_the_calls_of_the_report(ledger: Ledger) -> None:
    """80 USD by 3, 3 and 2: what meters charge and what was taken back has no share."""
    mixed(ledger)
    table = allotted(ledger, "tenant", shared=SharedCost(name="pot", monthly_usd=80 * USD, by="calls"))
    assert column(table, "pot_usd") == {"acme": 30, "globex": 30, "initech": 20, "hooli": 0, "umbrella": 0, "all": 80}
