"""Scratch answers as the ledger does, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger.enrich.links import link_keys
from spanledger.store.config import StoreConfig
from spanledger.store.ledger import Ledger
from spanledger.store.scratch import Scratch, scratch_folder
from tests.store.samples import DAY_NS, NOON, event, reading

DAY = NOON // DAY_NS


def test_it_answers_as_a_ledger_with_the_same_content(tmp_path: Path) -> None:
    events, readings = [event(n) for n in range(1, 6)], [reading(n) for n in range(1, 6)]
    (tmp_path / "scratch").mkdir()
    scratch = Scratch(tmp_path / "scratch", StoreConfig())
    wanted = {("default", reading(n).trace_id): {DAY} for n in (1, 3, 9)}
    links = {key: {DAY} for key in link_keys(reading(2))}
    with Ledger.open(tmp_path / "ledger") as ledger:
        for part in (slice(0, 2), slice(2, 5)):
            ledger.commit(events[part], readings[part], position=9, open_position=9, booked_ns=NOON)
            scratch.add(events[part], readings[part])
        assert scratch.traces(wanted) == ledger.traces(wanted)
        assert len(scratch.traces(wanted)) == 2
        assert scratch.linked(links) == set(ledger.linked(links))
        assert ("default", reading(2).trace_id) in scratch.linked(links)
        assert scratch.tellers == ledger.tellers


def test_spans_come_back_in_the_order_they_came(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path, StoreConfig())
    for number in (5, 2, 8):
        scratch.add((), [reading(number)])
    found = [each for file in scratch.files("spans") for each in scratch.starts(file)]
    assert found == [("default", reading(number).trace_id, NOON) for number in (5, 2, 8)]


def test_a_trace_on_days_apart_is_found_where_it_was_noted(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path, StoreConfig())
    key = ("default", reading(1).trace_id)
    far = reading(1, span_id=b"8 bytes.", start_ns=NOON - 9 * DAY_NS, end_ns=NOON - 9 * DAY_NS)
    scratch.add((), [reading(1), far])
    assert len(scratch.traces({key: {DAY}})[key].readings) == 1
    scratch.note_wide({key: {DAY, DAY - 9}})
    assert len(scratch.traces({key: {DAY}})[key].readings) == 2


def test_the_folder_goes_with_the_operation_and_leftovers_with_the_next(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as running:
        dead = tmp_path / "tmp" / "replay-dead"
        dead.mkdir()
        (dead / "lock").touch()
        with scratch_folder(tmp_path):
            assert not dead.exists()
            assert running.exists(), "one that is in use stays"
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "tmp").write_text("a file in the way")
    with scratch_folder(tmp_path) as root:
        assert tmp_path not in root.parents
        assert (root / "lock").exists()
    assert not root.exists()


def test_an_error_leaves_nothing_either(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), scratch_folder(tmp_path) as root:
        raise ZeroDivisionError
    assert not root.exists()
