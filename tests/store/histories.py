"""Histories of a ledger for property tests: charges, corrections and re-pricings as they could have been booked, day by day."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import strategies as st

from spanledger.enrich.book import reversal
from spanledger.enrich.events import CostEvent, Line
from tests.store.samples import DAY_NS, NOON, event

Edit = tuple[str, str | None, int, int, int]
"""What is done (charge, unpriced, reverse, adjust), for which tenant, on which days the call started and it was booked, atto-USD."""

EDITS = st.lists(
    st.tuples(
        st.sampled_from(["charge", "charge", "reverse", "adjust", "unpriced"]),
        st.sampled_from(["a", "b", None]),
        st.integers(0, 3),
        st.integers(0, 3),
        st.integers(0, 10**24),
    ),
    min_size=1,
    max_size=12,
)


def adjustment(number: int, charge: CostEvent, cost: int, **changes: object) -> CostEvent:
    """The charge's output tokens at another price, such that they cost `cost` atto-USD."""
    old = charge.lines[-1]
    lines = (old._replace(rate_id="r-new", amount="9", cost_usd=cost), old._replace(quantity=-old.quantity, cost_usd=-old.cost_usd))
    nothing = {"input_tokens": None, "output_tokens": None, "wall_clock_ms": 0, "usage": ()}
    return charge._replace(
        event_id=number.to_bytes(16, "big"), kind="adjustment", ref_event_id=charge.event_id, reason="repriced", run_id="rp1-x",
        catalog_id="cat-2", lines=lines, cost_usd=cost - old.cost_usd, list_cost_usd=cost - old.cost_usd,
    )._replace(**nothing)._replace(**changes)  # fmt: skip


def history(edits: list[Edit]) -> list[CostEvent]:
    """The entries in the order of booking, whose times never go back."""
    found: list[CostEvent] = []
    standing: list[CostEvent] = []
    days = accumulate((booked for _, _, _, booked, _ in edits), max)
    for number, ((what, tenant, started, _, amount), booked) in enumerate(zip(edits, days, strict=True), 1):
        when_ns = NOON + booked * DAY_NS
        if what in ("charge", "unpriced") or not standing:
            cost = None if what == "unpriced" else amount
            lines = () if cost is None else (Line("output_tokens", 1_000, "r", "1", 1, amount),)
            price = {"cost_usd": cost, "list_cost_usd": cost, "lines": lines, "price_state": "unpriced" if cost is None else "priced"}
            standing.append(event(number, tenant_id=tenant, start_ns=NOON + started * DAY_NS, booked_ns=when_ns, **price))
            found.append(standing[-1])
        elif what == "reverse" or standing[0].cost_usd is None:
            charge = standing.pop(0)
            undone = [charge, *(each for each in found if each.kind == "adjustment" and each.ref_event_id == charge.event_id)]
            found += [
                reversal(each, "revised", when_ns)._replace(event_id=(number * 1000 + at).to_bytes(16, "big"))
                for at, each in enumerate(undone)
            ]
        else:
            found.append(adjustment(number, standing[0], amount, booked_ns=when_ns))
    return found
