from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spanledger.enrich.links import link_keys
from spanledger.store.config import StoreConfig
from spanledger.store.history import read_rows
from spanledger.store.ledger import Ledger
from tests.store.samples import DAY_NS, NOON, event, plain, reading

TODAY = NOON // DAY_NS
TRACE = reading(1).trace_id


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path)


def commit(ledger: Ledger, *spans: object, events: tuple[object, ...] = ()) -> None:
    ledger.commit(events, spans, position=ledger.position + 1, open_position=0, booked_ns=NOON)  # type: ignore[arg-type]  # readings


def test_the_same_trace_id_under_another_authority_is_another_trace(ledger: Ledger) -> None:
    mine, theirs = reading(1), reading(1, authority="other")
    commit(ledger, mine, theirs, events=(event(1), event(2, trace_id=TRACE, authority="other")))
    found = ledger.traces({("default", TRACE): {TODAY}})
    assert set(found) == {("default", TRACE)}
    assert found["default", TRACE].readings == (mine,)
    assert found["default", TRACE].booked == (event(1),)


def test_trace_ids_that_share_a_key_are_told_apart(ledger: Ledger) -> None:
    near = reading(2, trace_id=TRACE[8:] + TRACE[:8])  # the same key in the index
    commit(ledger, reading(1), near)
    assert ledger.traces({("default", TRACE): {TODAY}})["default", TRACE].readings == (reading(1),)
    assert ledger.traces({("default", TRACE[:8] + b"neither!"): {TODAY}}) == {}


@pytest.mark.parametrize(("days_away", "is_found"), [(-1, True), (0, True), (1, True), (2, False), (-2, False)])
def test_the_day_and_its_neighbours_are_searched(ledger: Ledger, days_away: int, is_found: bool) -> None:
    commit(ledger, reading(1))
    assert bool(ledger.traces({("default", TRACE): {TODAY + days_away}})) is is_found
    assert bool(ledger.linked({link_keys(reading(1))[0]: {TODAY + days_away}})) is is_found


def test_a_trace_over_many_days_is_followed_from_day_to_day(ledger: Ledger) -> None:
    spans = [reading(n, trace_id=TRACE, start_ns=NOON + n * DAY_NS, received_ns=NOON + 5 * DAY_NS) for n in range(5)]
    charges = [event(n + 1, trace_id=TRACE, start_ns=NOON + n * DAY_NS, received_ns=NOON + 5 * DAY_NS) for n in range(5)]
    for span, charge in zip(spans, charges, strict=True):
        commit(ledger, span, events=(charge,))
    found = ledger.traces({("default", TRACE): {TODAY - 1}})["default", TRACE]
    assert sorted(found.readings, key=lambda span: span.start_ns) == spans
    assert found.booked == tuple(charges)


def test_each_stored_span_is_given_once(ledger: Ledger) -> None:
    commit(ledger, reading(1), plain(2, trace_id=TRACE), reading(3, trace_id=TRACE, start_ns=NOON + DAY_NS))
    found = ledger.traces({("default", TRACE): {TODAY - 1, TODAY, TODAY + 1}, ("default", b"x" * 16): {TODAY}})
    assert len(found["default", TRACE].readings) == 3


def test_a_day_400_days_ago_is_found_after_a_restart(tmp_path: Path) -> None:
    old = reading(1, start_ns=NOON - 400 * DAY_NS)
    with Ledger.open(tmp_path) as ledger:
        commit(ledger, old)
    with Ledger.open(tmp_path) as ledger:
        assert ledger.traces({("default", TRACE): {TODAY - 400}})["default", TRACE].readings == (old,)
        assert set(ledger.linked({link_keys(old)[1]: {TODAY - 401}})) == {("default", TRACE)}


def test_an_index_that_does_not_fit_in_memory_is_read_again(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, config=StoreConfig(index_bytes_max=1024 * 1024)) as ledger:
        days = range(TODAY - 4, TODAY)
        for day in days:
            spans = [plain(n + 1, trace_id=day.to_bytes(8, "big") + n.to_bytes(8, "big"), start_ns=day * DAY_NS) for n in range(50)]
            unlike = [
                plain(n + 1, trace_id=(day << 40 | n << 8).to_bytes(8, "big") + bytes(8), start_ns=day * DAY_NS) for n in range(30_000)
            ]
            commit(ledger, *spans, *unlike)
        assert ledger.indexes.size <= 1024 * 1024
        wanted = {("default", day.to_bytes(8, "big") + (7).to_bytes(8, "big")): {day} for day in days}
        assert set(ledger.traces(wanted)) == set(wanted)
        assert ledger.indexes.size <= 1024 * 1024


def test_read_rows_takes_rows_from_several_row_groups(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": list(range(100))}), tmp_path / "t.parquet", row_group_size=7)
    rows = np.array([0, 6, 7, 50, 98, 99])
    assert read_rows(tmp_path / "t.parquet", rows).column("n").to_pylist() == rows.tolist()


def test_a_trace_on_days_apart_is_found_by_what_was_noted_of_it(tmp_path: Path) -> None:
    root, call = plain(1, start_ns=NOON - 9 * DAY_NS, end_ns=NOON - 9 * DAY_NS), reading(2, trace_id=TRACE)
    key = ("default", TRACE)
    with Ledger.open(tmp_path) as ledger:
        commit(ledger, root, call)
        assert ledger.traces({key: {TODAY}})[key].readings == (call,)
        ledger.commit([], [], position=ledger.position, open_position=0, booked_ns=NOON, wide={key: {TODAY - 9, TODAY}})
        assert len(ledger.traces({key: {TODAY}})[key].readings) == 2
    with Ledger.open(tmp_path) as ledger:
        assert len(ledger.traces({key: {TODAY}})[key].readings) == 2
    with Ledger.open(tmp_path, read_only=True) as ledger:
        assert len(ledger.traces({key: {TODAY}})[key].readings) == 2
        assert ledger.traces({("other", TRACE): {TODAY}}) == {}


def test_a_span_over_many_days_leads_to_those_inside_it(ledger: Ledger) -> None:
    root, call = plain(1, start_ns=NOON - 9 * DAY_NS, end_ns=NOON), reading(2, trace_id=TRACE)
    commit(ledger, root, call)
    assert len(ledger.traces({("default", TRACE): {TODAY - 9}})["default", TRACE].readings) == 2
