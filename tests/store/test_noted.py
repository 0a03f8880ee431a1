from __future__ import annotations

from pathlib import Path

import pytest

from spanledger.enrich.notes import Notes, linked_trace_key, session_key
from spanledger.store import noted
from spanledger.store.compact import Compactor
from spanledger.store.config import StoreConfig
from spanledger.store.ledger import Ledger
from spanledger.store.noted import any_seekers, stored_keys
from tests.store.samples import DAY_NS, NOON, event, plain, reading

TODAY = NOON // DAY_NS
A, B = ("default", b"a" * 16), ("default", b"b" * 16)
SESSION = ("default", "s1")


def commit(ledger: Ledger, notes: Notes) -> None:
    ledger.commit([], [], position=ledger.position + 1, open_position=0, booked_ns=NOON, notes=notes)


def test_seekers_are_found_under_their_keys_after_a_restart(tmp_path: Path) -> None:
    key, other = linked_trace_key(A), session_key(SESSION)
    with Ledger.open(tmp_path) as ledger:
        assert not any_seekers(ledger.metastore.connection)
        commit(ledger, Notes({key: {(A, TODAY), (B, TODAY)}, other: {(B, TODAY)}}))
        commit(ledger, Notes({key: {(B, TODAY), (B, TODAY + 1)}}))
    with Ledger.open(tmp_path) as ledger:
        assert set(ledger.seekers([key])) == {(A, TODAY), (B, TODAY), (B, TODAY + 1)}
        assert set(ledger.seekers([other, 7])) == {(B, TODAY)}
        assert set(ledger.seekers([7])) == set()
        assert stored_keys(ledger.metastore.connection, [7, key]) == [key]


def test_of_too_many_seekers_the_first_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noted, "SEEKERS_MAX", 2)
    with Ledger.open(tmp_path) as ledger:
        for letter in (b"c", b"a", b"b"):
            commit(ledger, Notes({5: {(("default", letter * 16), TODAY)}}))
        assert set(ledger.seekers([5])) == {(A, TODAY), (B, TODAY)}


def test_a_sessions_claims_are_replaced_as_a_whole(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        commit(ledger, Notes({}, {SESSION: {("tenant", "acme", A[1]), ("user", "\udce4", A[1])}, ("other", "s1"): {("tenant", "x", A[1])}}))
        assert ledger.claims([SESSION, ("default", "s2")]) == {SESSION: {("tenant", "acme", A[1]), ("user", "\udce4", A[1])}}
        commit(ledger, Notes({}, {SESSION: {("tenant", "globex", B[1])}, ("default", "\ud800"): {("tenant", "y", B[1])}}))
    with Ledger.open(tmp_path) as ledger:
        assert ledger.claims([SESSION, ("other", "s1"), ("default", "\ud800")]) == {
            SESSION: {("tenant", "globex", B[1])},
            ("other", "s1"): {("tenant", "x", A[1])},
            ("default", "\ud800"): {("tenant", "y", B[1])},
        }


def test_a_chargeless_trace_that_others_link_to_is_kept_by_compaction(tmp_path: Path) -> None:
    request, stranger = plain(1), plain(2)
    job = reading(3, links=((request.trace_id, request.span_id),))
    with Ledger.open(tmp_path) as ledger:
        ledger.commit([], [request, stranger, job], position=9, open_position=9, booked_ns=NOON,
                      notes=Notes({linked_trace_key(("default", request.trace_id)): {(("default", job.trace_id), TODAY)}}))  # fmt: skip
        done = Compactor(tmp_path, StoreConfig(chargeless_days=1)).run(NOON + 3 * DAY_NS)
        assert done.spans_dropped == 1
        found = ledger.traces({("default", r.trace_id): {TODAY} for r in (request, stranger, job)})
        assert {key[1] for key in found} == {request.trace_id, job.trace_id}
        assert found["default", job.trace_id].readings == (job,)


def test_what_a_trace_noted_goes_with_its_spans(tmp_path: Path) -> None:
    """Chargeless traces are dropped after a day here; of the two sessions only the first has a trace left that looks for its payers."""
    dropped, kept = plain(1), reading(2)
    gone, here = ("default", dropped.trace_id), ("default", kept.trace_id)
    other = ("default", "s2")
    says = ("tenant", "acme", dropped.trace_id)
    notes = Notes({5: {(gone, TODAY), (here, TODAY)}, session_key(SESSION): {(here, TODAY)}}, {SESSION: {says}, other: {says}})
    with Ledger.open(tmp_path) as ledger:
        ledger.commit([event(2)], [dropped, kept], position=9, open_position=9, booked_ns=NOON, notes=notes)
        compactor = Compactor(tmp_path, StoreConfig(chargeless_days=1))
        compactor.run(NOON + DAY_NS // 2)
        assert set(ledger.seekers([5])) == {(gone, TODAY), (here, TODAY)}  # not yet
        assert compactor.run(NOON + 3 * DAY_NS).spans_dropped == 1
        assert set(ledger.seekers([5])) == {(here, TODAY)}
        assert ledger.claims([SESSION, other]) == {SESSION: {says}}


def test_a_trace_with_a_span_in_another_file_keeps_its_notes(tmp_path: Path) -> None:
    first, later = plain(1), plain(1)._replace(span_id=b"l" * 8, received_ns=NOON + 3 * DAY_NS, position=20)
    key = ("default", first.trace_id)
    with Ledger.open(tmp_path) as ledger:
        ledger.commit([], [first], position=9, open_position=9, booked_ns=NOON, notes=Notes({5: {(key, TODAY)}}))
        ledger.commit([], [later], position=21, open_position=21, booked_ns=NOON + 3 * DAY_NS)
        assert Compactor(tmp_path, StoreConfig(chargeless_days=1)).run(NOON + 3 * DAY_NS + 1).spans_dropped == 1
        assert set(ledger.seekers([5])) == {(key, TODAY)}
