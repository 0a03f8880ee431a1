from __future__ import annotations

from pathlib import Path

import pytest

from spanledger.enrich.links import link_keys
from spanledger.store.compact import Compactor
from spanledger.store.config import StoreConfig
from spanledger.store.days import FAR_PAST
from spanledger.store.errors import LedgerBusyError, LedgerFencedError, LedgerNotFoundError, RowError
from spanledger.store.files import data_files
from spanledger.store.ledger import Ledger
from tests.store.samples import DAY_NS, NOON, event, plain, reading

TODAY = NOON // DAY_NS
BOOKED = NOON + 5_000_000_000


def key(number: int) -> tuple[str, bytes]:
    return "default", reading(number).trace_id


def test_what_is_committed_is_there_after_a_restart(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        assert (ledger.position, ledger.open_position, ledger.entries_total) == (0, 0, 0)
        ledger.commit([event(1), event(2)], [reading(1), reading(2), plain(3)], position=100, open_position=40, booked_ns=BOOKED)
        ledger.commit([], [], position=150, open_position=150, booked_ns=BOOKED)
    with Ledger.open(tmp_path) as ledger:
        assert (ledger.position, ledger.open_position, ledger.entries_total) == (150, 150, 2)
        stored = ledger.traces({key(number): {TODAY} for number in range(1, 5)})
        assert {found: (trace.readings, trace.booked) for found, trace in stored.items()} == {
            key(1): ((reading(1),), (event(1),)),
            key(2): ((reading(2),), (event(2),)),
            key(3): ((plain(3),), ()),
        }
        assert ledger.horizon_ns == NOON


def test_entries_are_numbered_across_commits_and_days_in_the_order_given(tmp_path: Path) -> None:
    """The order is kept in the files though rows lie by day and trace, because a trace's history is told in booking order."""
    with Ledger.open(tmp_path) as ledger:
        first = event(1)
        undone = event(9, kind="reversal", ref_event_id=first.event_id, trace_id=first.trace_id)
        again = event(8, trace_id=first.trace_id, tenant_id="other")
        ledger.commit([event(5, start_ns=NOON - DAY_NS), first], [reading(1)], position=1, open_position=0, booked_ns=BOOKED)
        ledger.commit([undone, again], [], position=2, open_position=0, booked_ns=BOOKED)
        assert ledger.traces({key(1): {TODAY}})[key(1)].booked == (first, undone, again)
        assert ledger.entries_total == 4


def test_files_are_partitioned_by_day_and_named_by_commit_and_position(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        ledger.commit([event(1)], [reading(1), reading(2, start_ns=0)], position=77, open_position=0, booked_ns=BOOKED)
        assert sorted(path.replace(ledger._writer, "WRITER") for path in data_files(tmp_path)) == [
            "events/event_date=2026-11-21/_commit-000000000001-00000000000000000077-WRITER.ledger",
            "spans/event_date=1970-01-01/_commit-000000000001-00000000000000000077-WRITER.ledger",
            "spans/event_date=2026-11-21/_commit-000000000001-00000000000000000077-WRITER.ledger",
        ]


@pytest.mark.parametrize("start_ns", [0, 2**63 - 1, NOON - 400 * DAY_NS, NOON - 401 * DAY_NS, NOON + 2 * DAY_NS])
def test_any_date_is_found_again_by_its_own_day(tmp_path: Path, start_ns: int) -> None:
    span = reading(1, start_ns=start_ns)
    with Ledger.open(tmp_path) as ledger:
        ledger.commit([event(1, start_ns=start_ns)], [span], position=1, open_position=0, booked_ns=BOOKED)
        assert ledger.traces({key(1): {start_ns // DAY_NS}})[key(1)].readings == (span,)
        assert set(ledger.linked({link_keys(span)[0]: {start_ns // DAY_NS}})) == {key(1)}


def test_a_span_received_again_when_its_date_has_become_far_is_still_found(tmp_path: Path) -> None:
    """First believable, then far-dated, and the other way round: both land in different partitions and find each other."""
    with Ledger.open(tmp_path) as ledger:
        ledger.commit([], [reading(1)], position=1, open_position=0, booked_ns=BOOKED)
        later = reading(1, received_ns=NOON + 900 * DAY_NS, position=2)
        assert ledger.traces({key(1): {later.start_ns // DAY_NS}})[key(1)].readings == (reading(1),)
        ledger.commit([], [later], position=2, open_position=0, booked_ns=BOOKED)
        assert any(file.day == FAR_PAST for file in ledger.metastore.live_files("spans"))
        assert set(ledger.traces({key(1): {TODAY}})[key(1)].readings) == {later, reading(1)}


def test_reopen_gives_the_traces_from_the_open_position_on(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        ledger.commit([], [reading(1), reading(2)], position=2, open_position=2, booked_ns=BOOKED)
        ledger.commit([], [reading(3), reading(4, start_ns=NOON - DAY_NS)], position=9, open_position=2, booked_ns=BOOKED)
        assert ledger.reopen() == {key(2): {TODAY}, key(3): {TODAY}, key(4): {TODAY - 1}}
        ledger.commit([], [], position=9, open_position=9, booked_ns=BOOKED)
        assert ledger.reopen() == {}


@pytest.mark.parametrize("bad", [{"trace_id": b"x"}, {"input_tokens": 2**63}, {"cost_usd": 10**38}, {"start_ns": 2**64}])
def test_a_record_that_does_not_fit_leaves_no_trace(tmp_path: Path, bad: dict[str, object]) -> None:
    with Ledger.open(tmp_path) as ledger:
        with pytest.raises(RowError):
            ledger.commit([event(1), event(2, **bad)], [reading(1)], position=1, open_position=0, booked_ns=BOOKED)
        assert list(data_files(tmp_path)) == []
        ledger.commit([event(1)], [reading(1)], position=1, open_position=0, booked_ns=BOOKED)
        assert ledger.entries_total == 1


def test_the_position_never_goes_back(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        ledger.commit([], [], position=5, open_position=5, booked_ns=BOOKED)
        with pytest.raises(ValueError, match="back from 5 to 4"):
            ledger.commit([], [], position=4, open_position=4, booked_ns=BOOKED)


def test_one_writer_at_a_time_and_readers_beside_it(tmp_path: Path) -> None:
    with pytest.raises(LedgerNotFoundError):
        Ledger.open(tmp_path / "nothing", read_only=True)
    with Ledger.open(tmp_path) as ledger:
        with pytest.raises(LedgerBusyError, match="another spanledger"):
            Ledger.open(tmp_path)
        with Ledger.open(tmp_path, read_only=True) as reader:
            ledger.commit([], [reading(1)], position=1, open_position=0, booked_ns=BOOKED)
            assert key(1) in reader.traces({key(1): {TODAY}})
    Ledger.open(tmp_path).close()


def test_a_writer_that_was_overtaken_writes_nothing(tmp_path: Path) -> None:
    """The file lock is what keeps writers apart; should it fail (a network disk), the commit number still does."""
    with Ledger.open(tmp_path) as stale:
        (tmp_path / "lock").unlink()
        with Ledger.open(tmp_path) as other:
            other.commit([event(1)], [], position=1, open_position=0, booked_ns=BOOKED)
        before = sorted(data_files(tmp_path))
        with pytest.raises(LedgerFencedError):
            stale.commit([event(1)], [], position=1, open_position=0, booked_ns=BOOKED)
        assert sorted(data_files(tmp_path)) == before


def test_bounds_of_dates_are_settings(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, config=StoreConfig(past_days=1)) as ledger:
        ledger.commit([event(1, start_ns=NOON - 2 * DAY_NS)], [], position=1, open_position=0, booked_ns=BOOKED)
        assert [file.day for file in ledger.metastore.live_files("events")] == [FAR_PAST]


def test_the_list_of_files_at_hand_is_that_of_the_metastore(tmp_path: Path) -> None:
    """It is kept up at each commit instead of being read again, and read again when another connection changed something."""
    with Ledger.open(tmp_path) as ledger:
        for number in range(1, 6):
            assert key(number) not in ledger.traces({key(n): {TODAY} for n in range(1, 7)})
            ledger.commit([event(number)], [reading(number)], position=number, open_position=0, booked_ns=BOOKED)
            assert len(ledger.traces({key(n): {TODAY} for n in range(1, 7)})) == number
        for number in (6, 7):
            Compactor(tmp_path, StoreConfig(compact_files_min=2, compact_grace_seconds=0)).run(BOOKED)
            assert len(ledger.traces({key(n): {TODAY} for n in range(1, 8)})) == number - 1
            ledger.commit([event(number)], [reading(number)], position=number, open_position=0, booked_ns=BOOKED)
            assert len(ledger.traces({key(n): {TODAY} for n in range(1, 8)})) == number


def test_who_tells_of_calls_is_remembered_with_the_commit(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        one = reading(1)
        ledger.commit([], [one], position=1, open_position=1, booked_ns=1)
        assert one.call is not None
        told = {(one.authority, one.resource.service, (one.scope, one.call.dialect))}
        assert ledger.tellers == told
    with Ledger.open(tmp_path, read_only=True) as ledger:
        assert ledger.tellers == told


def test_too_many_tellers_are_no_longer_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanledger.store.ledger.TELLERS_MAX", 2)
    with Ledger.open(tmp_path) as ledger:
        for number in range(1, 5):
            ledger.commit([], [reading(number, scope=f"sdk@{number}")], position=number, open_position=0, booked_ns=BOOKED)
            assert (ledger.tellers is None) is (number > 2)
        assert ledger.metastore.connection.execute("SELECT count(*) FROM tellers").fetchone() == (2,)
    with Ledger.open(tmp_path) as ledger:
        assert ledger.tellers is None


def test_a_ledger_from_before_tellers_were_noted_does_not_say_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from spanledger.store import metastore

    with monkeypatch.context() as older:
        older.setattr(metastore, "MIGRATIONS", metastore.MIGRATIONS[:2])
        store = metastore.Metastore.open(tmp_path)
        store.connection.execute("INSERT INTO commits VALUES (1, 1, 1, 1, 0, 0, 0)")
        store.close()
    with Ledger.open(tmp_path, read_only=True) as ledger:
        assert ledger.tellers is None
    with Ledger.open(tmp_path) as ledger:
        assert ledger.tellers is None
    with Ledger.open(tmp_path / "new") as ledger:
        assert ledger.tellers == set()
