"""Reports with shared costs allotted, on paper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spanledger.enrich.events import CostEvent, Line
from spanledger.enrich.meters import MeterRate
from spanledger.enrich.shared import SharedCost
from spanledger.store.allotments import allotted_report
from spanledger.store.entries import decimal_text
from spanledger.store.errors import QueryError
from spanledger.store.ledger import Ledger
from spanledger.store.times import parse_window
from tests.store.samples import DAY_NS, NOON, book, event

USD = 10**18
NEXT_MONTH = NOON + 15 * DAY_NS
"""6 December 2026."""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path)
    yield opened
    opened.close()


def paid(number: int, tenant: str | None, usd: int, **changes: Any) -> CostEvent:
    return event(number, tenant_id=tenant, cost_usd=usd * USD, **changes)


def allotted(
    ledger: Ledger, shared: SharedCost, by: Sequence[str] = ("tenant",), since: str | None = None, until: str | None = None
) -> dict[Any, Any]:
    """(allotted, total) by row, as text; the totals under "all"."""
    table = allotted_report(ledger, by, [shared], window=parse_window(since, until, NOON), now_ns=NEXT_MONTH)
    assert table.columns == (*by, "calls", "cost_usd", f"{shared.name}_usd", "total_usd")
    rows = {row[0] if len(by) == 1 else row[: len(by)]: tuple(decimal_text(value) for value in row[-2:]) for row in table.rows}
    whole = sum((row[-2] for row in table.rows), Decimal())
    assert whole == table.totals[-2]
    assert table.totals[-1] == table.totals[-3] + whole
    return rows | {"all": decimal_text(whole)}


def test_an_amount_a_month_goes_by_share_of_cost(ledger: Ledger) -> None:
    book(ledger, paid(1, "acme", 1), paid(2, "globex", 2), paid(3, "acme", 1, start_ns=NEXT_MONTH))
    shared = SharedCost(name="pot", monthly_usd=9 * USD)
    # November: 9 in parts of 1 and 2; December: all of it to acme
    assert allotted(ledger, shared) == {"acme": ("12", "14"), "globex": ("6", "8"), "all": "18"}
    assert allotted(ledger, shared, since="2026-11", until="2026-12") == {"acme": ("3", "4"), "globex": ("6", "8"), "all": "9"}


def test_thirds_sum_exactly(ledger: Ledger) -> None:
    book(ledger, *(paid(number, f"t{number}", 1) for number in (1, 2, 3)))
    assert allotted(ledger, SharedCost(name="pot", monthly_usd=USD)) == {
        "t1": ("0.333333333333333334", "1.333333333333333334"),
        "t2": ("0.333333333333333333", "1.333333333333333333"),
        "t3": ("0.333333333333333333", "1.333333333333333333"),
        "all": "1",
    }


@pytest.mark.parametrize(("by", "acme"), [("calls", "6"), ("tokens", "3"), ("wall_clock_ms", "8"), ("cost", "1")])
def test_every_usage_can_decide(ledger: Ledger, by: Any, acme: str) -> None:
    """Of 9 USD: acme has 2 of 3 calls, 2 of 6 thousand tokens, 8 of 9 seconds, and 1 of 9 USD."""
    small = {"input_tokens": 500, "output_tokens": 500, "wall_clock_ms": 4000}
    large = {"input_tokens": 4000, "output_tokens": None, "wall_clock_ms": 1000}
    half = {"cost_usd": USD // 2}
    book(ledger, event(1, **small, **half), event(2, **small, **half), paid(3, "globex", 8, **large))
    assert allotted(ledger, SharedCost(name="pot", monthly_usd=9 * USD, by=by))["acme"][0] == acme


def test_only_what_is_among_counts(ledger: Ledger) -> None:
    book(ledger, paid(1, "acme", 1), paid(2, "globex", 1, cost_surface="compute"), paid(3, None, 1))
    shared = SharedCost(name="pot", monthly_usd=8 * USD, among={"surface": ("inference",), "tenant": ("acme", "globex")})
    assert allotted(ledger, shared) == {"acme": ("8", "9"), "globex": ("0", "1"), None: ("0", "1"), "all": "8"}


def test_a_pool_leaves_its_payers_and_the_sum_stays(ledger: Ledger) -> None:
    """platform's 6 USD go to acme (1) and nobody (2) by cost; what platform used itself has no share."""
    book(ledger, paid(1, "acme", 1), paid(2, None, 2), paid(3, "platform", 6))
    shared = SharedCost(name="pot", pool={"tenant": ("platform",)})
    assert allotted(ledger, shared) == {"acme": ("2", "3"), None: ("4", "6"), "platform": ("-6", "0"), "all": "0"}


def test_the_pool_of_nobody(ledger: Ledger) -> None:
    book(ledger, paid(1, "acme", 1), paid(2, "globex", 3), paid(3, None, 2))
    shared = SharedCost(name="pot", pool={"tenant": (None,)})
    assert allotted(ledger, shared) == {"acme": ("0.5", "1.5"), "globex": ("1.5", "4.5"), None: ("-2", "0"), "all": "0"}


def test_a_pool_that_nobody_can_take_stays(ledger: Ledger) -> None:
    book(ledger, paid(1, "platform", 6))
    assert allotted(ledger, SharedCost(name="pot", pool={"tenant": ("platform",)})) == {"platform": ("0", "6"), "all": "0"}


def test_a_month_that_nobody_used_stays_with_nobody(ledger: Ledger) -> None:
    book(ledger, paid(1, "acme", 1))
    shared = SharedCost(name="pot", monthly_usd=9 * USD)
    assert allotted(ledger, shared, since="2026-10", until="2026-12") == {"acme": ("9", "10"), None: ("9", "9"), "all": "18"}
    assert allotted(ledger, shared, by=("month", "tenant"), since="2026-10", until="2026-12") == {
        ("2026-10", None): ("9", "9"),
        ("2026-11", "acme"): ("9", "10"),
        "all": "18",
    }


def searched(number: int, tenant: str, calls: int) -> CostEvent:
    """Booked at the base rate of 10 USD per 1,000."""
    cost = calls * USD // 100
    line = Line("calls", calls, "meter:search:calls", "10", 1000, cost)
    return event(
        number,
        tenant_id=tenant,
        cost_usd=cost,
        lines=(line,),
        usage=(("calls", calls),),
        usage_basis="meter:search",
        cost_surface="tool_execution",
    )


def test_monthly_tiers_spread_their_difference_by_quantity(ledger: Ledger) -> None:
    """3,000 searches: booked 30 USD; 1,000 at 10 and 2,000 at 7 are 24: 6 back, 4 to acme (2,000) and 2 to globex (1,000)."""
    book(ledger, searched(1, "acme", 2000), searched(2, "globex", 1000), paid(3, "initech", 1))
    rate = MeterRate(unit="calls", amount="10", per=1000, tiers=((1000, "7"),))
    shared = SharedCost(name="tiers", by="quantity", meter="search", unit="calls", rates=(rate,))
    assert allotted(ledger, shared) == {"acme": ("-4", "16"), "globex": ("-2", "8"), "initech": ("0", "1"), "all": "-6"}


def test_what_was_reversed_has_no_share(ledger: Ledger) -> None:
    wrong = paid(1, "acme", 5)
    undone = wrong._replace(kind="reversal", event_id=b"r" * 16, ref_event_id=wrong.event_id, cost_usd=-5 * USD)
    book(ledger, wrong, undone, paid(2, "globex", 1))
    assert allotted(ledger, SharedCost(name="pot", monthly_usd=USD)) == {"globex": ("1", "2"), "all": "1"}


@pytest.mark.parametrize("window", [("2026-11-02", None), (None, "2026-11-15"), ("2026-11-01T00:00:01", None)])
def test_parts_of_months_are_refused(ledger: Ledger, window: tuple[str | None, str | None]) -> None:
    with pytest.raises(QueryError, match="whole months"):
        allotted(ledger, SharedCost(name="pot", monthly_usd=1), since=window[0], until=window[1])


def test_an_unknown_dimension_is_refused(ledger: Ledger) -> None:
    with pytest.raises(QueryError, match="cannot filter by"):
        allotted(ledger, SharedCost(name="pot", pool={"x; --": ("a",)}))


def test_an_empty_ledger_allots_nothing(ledger: Ledger) -> None:
    assert allotted(ledger, SharedCost(name="pot", monthly_usd=USD)) == {"all": "0"}
