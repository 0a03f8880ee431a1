"""The overlay decides trace by trace what counts, and no trace is settled twice."""

from __future__ import annotations

from pathlib import Path

from spanledger.cli.rereading import Reach
from spanledger.cli.resettling import Overlay, Seen, slices
from spanledger.enrich.records import Payers
from spanledger.store.config import StoreConfig
from spanledger.store.ledger import Ledger
from spanledger.store.scratch import Scratch
from tests.store.samples import DAY_NS, NOON, event, reading

DAY = NOON // DAY_NS


def key(number: int) -> tuple[str, bytes]:
    return "default", reading(number).trace_id


def test_seen_knows_every_trace_once_over_many_rounds() -> None:
    seen, wanted = Seen(), [("a", number.to_bytes(16, "big")) for number in range(500)]
    found = [each for at in range(0, 500, 7) for each in seen.new_ones(wanted[max(0, at - 20) : at + 7])]
    assert sorted(found) == wanted
    assert seen.new_ones(wanted) == []


def test_whole_traces_read_anew_and_others_as_they_were(tmp_path: Path) -> None:
    """1: whole. 2: an earlier request is gone. 3: nothing of it was read again. 4: still open. 5: the ledger has forgotten it."""
    (tmp_path / "scratch").mkdir()
    scratch = Scratch(tmp_path / "scratch", StoreConfig())
    anew = Payers(tenant="anew")
    with Ledger.open(tmp_path / "data") as ledger:
        early = reading(2, span_id=b"earlier.", position=3)
        stored = [reading(1, position=10), reading(2, position=11), early, reading(3, position=4), reading(4, position=70)]
        ledger.commit([event(1)], stored, position=100, open_position=60, booked_ns=NOON)
        scratch.add((), [reading(number, position=position, payers=anew) for number, position in ((1, 10), (2, 11), (4, 70), (5, 12))])
        overlay = Overlay(ledger, scratch, Reach(10, 80, 10))
        wanted = {key(number): {DAY} for number in (1, 2, 4, 5)}
        found = overlay.sort(wanted)
        assert (set(found.keys), found.incomplete, found.still_open) == ({key(1), key(5)}, 1, 1)
        traces = overlay.traces({**wanted, key(3): {DAY}})
        tenants = {at: {str(each.payers.tenant) for each in trace.readings} for at, trace in traces.items()}
        assert tenants == {key(1): {"anew"}, key(2): {"acme"}, key(3): {"acme"}, key(4): {"anew"}, key(5): {"anew"}}
        assert [each.event_id for each in traces[key(1)].booked] == [event(1).event_id]
        overlay.book([event(6, trace_id=key(1)[1]), event(7, trace_id=key(3)[1])])
        assert len(overlay.traces({key(1): {DAY}})[key(1)].booked) == 2
        assert len(overlay.traces({key(3): {DAY}})[key(3)].booked) == 1, "also where nothing was read again"


def test_slices_hold_the_traces_of_the_window_once(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path, StoreConfig())
    for _ in range(2):
        scratch.add((), [reading(1), reading(2, start_ns=NOON - 5 * DAY_NS), reading(3)])
    found = [keys for keys, _ in slices(scratch, (NOON - DAY_NS, None))]
    assert found == [{key(1): {DAY}, key(3): {DAY}}]
