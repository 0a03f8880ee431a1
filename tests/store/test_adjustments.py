"""Re-pricing by columns gives the very entries that pricing each call by itself gives, whatever the calls and the prices are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanledger.enrich.adjust import AMOUNTS, net_of, price_again, same_price
from spanledger.enrich.book import Prices, reversal
from spanledger.enrich.events import CostEvent
from spanledger.store.adjustments import Identity, Repricer
from spanledger.store.event_rows import from_table, to_table
from spanledger.store.tally import CHANGED, LOST, NEWLY, UNCHANGED, Tally
from tests.store.pricing import BOOKS, BY, M, Singly, charges
from tests.store.samples import event


def first(identities: Iterable[tuple[Identity, int]]) -> Mapping[Identity, int]:
    """Every call was booked once before."""
    return {identity: 1 for identity, _ in identities}


def reprice(entries: list[CostEvent], prices: Prices, selected: Any = None) -> tuple[dict[bytes, CostEvent], Tally, int]:
    """The entries a run makes of these, by id; the tally; and how many were made by columns."""
    table = to_table(entries, range(1, len(entries) + 1))
    repricer = Repricer(prices, BY._replace(catalog_id=prices.catalog_id), first)
    made = repricer.reprice(table, np.ones(len(entries), bool) if selected is None else selected)
    repricer.close()
    columns: list[CostEvent] = []
    if made.table is not None:
        columns = from_table(made.table.append_column("entry_number", [list(range(made.table.num_rows))]))
    found = {each.event_id: each for each in (*columns, *made.events)}
    assert len(found) == len(columns) + len(made.events)
    return found, repricer.tally, len(columns)


calls = st.integers(1, 30).flatmap(lambda count: st.tuples(*(charges(number) for number in range(1, count + 1))))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(calls, st.sampled_from(BOOKS), st.sets(st.integers(0, 7)))
def test_columns_and_single_calls_give_the_same_entries(booked: tuple[list[CostEvent], ...], book: Any, undone: set[int]) -> None:
    entries = [entry for call in booked for entry in call]
    entries += [reversal(call[0], "revised", 9) for n, call in enumerate(booked) if n in undone and len(call) == 1]
    columns, tally, _ = reprice(entries, book)
    single, other, by_columns = reprice(entries, Singly(book))
    assert by_columns == 0
    assert columns == single
    assert (tally.counts, tally.booked, tally.difference) == (other.counts, other.booked, other.difference)
    assert tally.entries == len(columns)
    total = [sum(getattr(entry, name) or 0 for entry in columns.values()) for name in AMOUNTS]
    assert total == [sum(cell[n] for cell in tally.difference.values()) for n in range(4)]
    assert_at_these_prices([*entries, *columns.values()], book)


def assert_at_these_prices(entries: list[CostEvent], book: Any) -> None:
    """What stands after a run is at its prices (unless that is none), and a second run finds nothing to do."""
    again, _, _ = reprice(entries, book)
    assert again == {}
    gone = {entry.ref_event_id for entry in entries if entry.kind == "reversal"}
    for charge in entries:
        if charge.kind == "charge" and charge.event_id not in gone and charge.split_weight is None:
            live = [charge, *(e for e in entries if e.kind == "adjustment" and e.ref_event_id == charge.event_id)]
            [wanted] = price_again([charge], book)
            assert wanted.cost_usd is None or same_price(net_of(live), wanted)


def test_the_differential_test_takes_both_roads() -> None:
    """The control: of plain calls nearly all are made by columns, so that the comparison is one of two things."""
    entries = [
        event(n, request_model=model, response_model=None, lines=()) for n, model in enumerate(("plain", "full", "long", "thirds"), 1)
    ]
    _, tally, by_columns = reprice(entries, BOOKS[1])
    assert (by_columns, tally.total(CHANGED)) == (4, 4)


def test_the_sums_on_paper() -> None:
    """1,000 tokens in and out were booked at 0.0125 USD. "plain" costs 3 and 15 a million: 0.018, and so 0.0055 more."""
    booked = event(1, request_model="plain", response_model=None)
    unpriced = booked._replace(event_id=b"u" * 16, span_id=b"unpriced", cost_usd=None, list_cost_usd=None, lines=(), price_state="unpriced")
    unknown = booked._replace(event_id=b"x" * 16, span_id=b"unknown.", request_model="unknown", tenant_id="globex")
    right = booked._replace(event_id=b"r" * 16, span_id=b"right...", request_model="five", response_model="five")
    [right] = price_again([right], BOOKS[0])
    found, tally, by_columns = reprice([booked, unpriced, unknown, right], BOOKS[0])
    assert by_columns == 1
    assert sorted((e.kind, e.reason, e.cost_usd) for e in found.values()) == [
        ("adjustment", "repriced", 5_500 * 10**12),
        ("charge", "repriced", 18_000 * 10**12),
        ("reversal", "repriced", None),
    ]
    counted = {cell: (counts[UNCHANGED], counts[CHANGED], counts[NEWLY], counts[LOST]) for cell, counts in tally.counts.items()}
    assert counted == {("acme", "plain"): (0, 1, 1, 0), ("acme", "five"): (1, 0, 0, 0), ("globex", "unknown"): (0, 0, 0, 1)}
    assert tally.booked["acme", "plain"][2] == 12_500 * 10**12
    assert tally.difference["acme", "plain"][2] == 23_500 * 10**12
    assert tally.difference["globex", "unknown"] == [0, 0, 0, 0]


def test_only_what_is_selected_is_repriced() -> None:
    entries = [event(n, request_model="plain", response_model=None) for n in (1, 2, 3)]
    found, tally, _ = reprice(entries, BOOKS[0], np.array([False, True, False]))
    assert [entry.ref_event_id for entry in found.values()] == [entries[1].event_id]
    assert sum(sum(counts) for counts in tally.counts.values()) == 1


def test_a_day_of_a_price_that_is_no_whole_number_is_rounded_half_even() -> None:
    """A third of a dollar: 0.333… USD a token; two of them 0.666…7, and the ledger has what a single call has."""
    entries = [event(n, request_model="thirds", response_model=None, input_tokens=n, output_tokens=0, lines=()) for n in (1, 2)]
    found, _, by_columns = reprice(entries, BOOKS[0])
    sums = {entry.span_id[-1]: 12_500 * 10**12 + (entry.cost_usd or 0) for entry in found.values()}
    assert (by_columns, sums) == (2, {1: 333_333_333_333_333_333, 2: 666_666_666_666_666_667})


@pytest.mark.parametrize("tokens", [1_999, 2_000, 2_001, 3_999, 4_000])
def test_thresholds(tokens: int) -> None:
    """2 USD a million up to 2,000 tokens, 4 above, 7 from 4,000 on."""
    dollars = 2 if tokens <= 2_000 else 4 if tokens < 4_000 else 7
    [entry] = reprice([event(1, request_model="long", response_model=None, input_tokens=tokens, output_tokens=0)], BOOKS[0])[0].values()
    assert 12_500 * 10**12 + (entry.cost_usd or 0) == tokens * dollars * 10**18 // M
