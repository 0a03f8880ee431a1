"""What the ledger has of a commitment: net use, of what nobody's correction is counted twice, and entries that follow what is booked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date
from pathlib import Path
from typing import Any

import pytest

from spanledger.enrich.adjust import ByRun, corrections
from spanledger.enrich.book import reversal
from spanledger.enrich.catalog.load import load
from spanledger.enrich.commitments import Books, periods_of
from spanledger.enrich.events import CostEvent, Line
from spanledger.enrich.money import ATTO
from spanledger.enrich.price_book import PriceBook
from spanledger.enrich.terms import Terms
from spanledger.store.commitments import Held, booked, entries_for, settled, state_of, taken_back
from spanledger.store.ledger import Ledger
from spanledger.store.runs import run_of
from spanledger.store.times import zone
from tests.store.samples import NOON, event

TERMS = '[[contracts]]\nname = "frame"\ndiscount = "1"\nfrom = 2026-11-01\ncommitment = { amount = "100", period = "month" }\n'


@pytest.fixture
def book() -> PriceBook:
    return PriceBook(load(), (), Terms.from_toml(TERMS))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "data") as made:
        yield made


def usd(number: int, cost: int, **changes: Any) -> CostEvent:
    lines = (Line("input_tokens", 1_000, "r", str(cost), 1_000, cost * ATTO),)
    return event(number, list_cost_usd=cost * ATTO, cost_usd=cost * ATTO, lines=lines, **changes)


def november(book: PriceBook) -> Held:
    [commitment] = book.commitments(zone)
    return commitment, periods_of(commitment, UTC, date(2026, 11, 1), date(2026, 11, 30))[0]


def commit(ledger: Ledger, *events: CostEvent) -> None:
    ledger.commit(events, [], position=ledger.position + 1, open_position=0, booked_ns=NOON)


def test_used_is_net_of_reversals_and_adjustments_and_without_meters(ledger: Ledger, book: PriceBook) -> None:
    wrong, right = usd(1, 30), usd(2, 20)
    [cheaper] = corrections([right], right._replace(cost_usd=15 * ATTO, list_cost_usd=15 * ATTO), 1, ByRun("rp1-x", "c", NOON, "1"))
    unpriced = event(4, list_cost_usd=None, cost_usd=None, lines=(), price_state="unpriced", price_reason="unknown_model")
    metered = usd(5, 1000, split_index=1_000_000, usage_basis="meter:search", cost_surface="tool_execution")
    shared = [
        usd(6 + n, cost, trace_id=bytes([9] * 16), span_id=bytes([9] * 8), split_index=n, split_weight="1/2")
        for n, cost in ((0, 3), (1, 4))
    ]
    commit(ledger, wrong, reversal(wrong, "revised", NOON), right, cheaper, unpriced, metered, *shared)
    [each] = settled(ledger, book, [november(book)])
    assert (each.used_usd, each.unpriced_calls, each.left_usd) == (22 * ATTO, 1, 78 * ATTO)  # 15 + 3 + 4


def test_entries_follow_what_is_booked(ledger: Ledger, book: PriceBook) -> None:
    held = november(book)
    by = Books(book.catalog_id, "cm1-a", NOON, "1", "default")
    commit(ledger, usd(1, 30))
    [short] = settled(ledger, book, [held])
    [charge] = entries_for(short, booked(ledger, [held], "default")[held], by)
    assert charge.cost_usd == 70 * ATTO
    commit(ledger, charge)
    there = booked(ledger, [held], "default")
    assert entries_for(short, there[held], by) == []
    commit(ledger, usd(2, 90))  # 20 beyond, which costs nothing more here
    [beyond] = settled(ledger, book, [held])
    [back] = entries_for(beyond, there[held], by._replace(run_id="cm1-b"))
    assert (back.kind, back.ref_event_id, back.cost_usd) == ("adjustment", charge.event_id, -70 * ATTO)
    commit(ledger, back)
    now = booked(ledger, [held], "default")
    assert state_of(now) != state_of(there)
    net = now[held].net
    assert net is not None
    assert (net.cost_usd, net.lines) == (0, ())
    assert entries_for(beyond, now[held], by) == []


def test_only_what_a_run_left_is_taken_back(tmp_path: Path, book: PriceBook) -> None:
    held = november(book)
    with Ledger.open(tmp_path / "data") as ledger:
        commit(ledger, usd(1, 30))
    ids = []
    for upto in (30, 50):
        with Ledger.open_beside(tmp_path / "data") as beside:
            run = run_of("commitment", {"upto": upto})
            ids.append(run.run_id)
            [each] = settled(beside, book, [held])
            entries = entries_for(each, booked(beside, [held], "default")[held], Books(book.catalog_id, run.run_id, NOON, "1", "default"))
            beside.commit_outside(entries, run=run, booked_ns=NOON)
        with Ledger.open(tmp_path / "data") as ledger:
            commit(ledger, usd(2, 20))
    by = Books(book.catalog_id, "cm1-undo", NOON, "1", "default")
    with Ledger.open(tmp_path / "data", read_only=True) as ledger:
        assert taken_back(ledger, ids[0], by) == ([], 1)  # settled again since
        [entry], kept = taken_back(ledger, ids[1], by)
        assert (entry.kind, entry.cost_usd, entry.reason, kept) == ("adjustment", 20 * ATTO, "commitment_taken_back", 0)
