from __future__ import annotations

import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from spanledger.enrich.records import Call
from spanledger.store.compact import LEASE, Compactor, Done
from spanledger.store.config import StoreConfig
from spanledger.store.entries import events
from spanledger.store.files import data_files
from spanledger.store.leases import end_lease, take_lease
from spanledger.store.ledger import Ledger
from spanledger.store.query import snapshot
from spanledger.store.reports import report
from tests.store.samples import DAY_NS, NOON, event, plain, reading

TODAY = NOON // DAY_NS
HOUR_NS = 3_600_000_000_000
QUIET = NOON + 2 * HOUR_NS
EAGER = StoreConfig(compact_files_min=2, compact_grace_seconds=0, chargeless_days=0)


def fill(ledger: Ledger, commits: int, rows: int = 3) -> None:
    for _ in range(commits):
        first = ledger.position * rows + 1
        some = range(first, first + rows)
        ledger.commit(
            [event(number, tenant_id=f"t{number % 2}") for number in some],
            [reading(number) for number in some],
            position=ledger.position + 1,
            open_position=0,
            booked_ns=NOON,
        )


def live(ledger: Ledger) -> list[int]:
    return [len(ledger.metastore.live_files("events")), len(ledger.metastore.live_files("spans"))]


def test_many_files_become_one_with_the_same_rows(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        fill(ledger, 5)
        before = list(events(ledger, every=True))
        wanted = {("default", reading(number).trace_id): {TODAY} for number in range(1, 16)}
        stored = ledger.traces(wanted)
        done = Compactor(tmp_path, EAGER).run(NOON)
        assert done == Done(files_merged=10, files_written=2, rows=30)
        assert live(ledger) == [1, 1]
        assert list(events(ledger, every=True)) == before
        assert ledger.traces(wanted) == stored
        with snapshot(ledger) as connection:
            tenants = [tenant for (tenant,) in connection.execute("SELECT tenant_id FROM entries").fetchall()]
        assert tenants == sorted(tenants), "a tenant's rows stand together"
    with Ledger.open(tmp_path) as ledger:
        assert ledger.traces(wanted) == stored, "also when the indexes are made anew"


def test_files_from_before_a_column_are_merged_with_later_ones(tmp_path: Path) -> None:
    linking = reading(2, links=((b"t" * 16, b"s" * 8),))
    with Ledger.open(tmp_path) as ledger:
        for number, span in enumerate((reading(1), linking), 1):
            ledger.commit([], [span], position=number, open_position=0, booked_ns=NOON)
        old = tmp_path / ledger.metastore.live_files("spans")[0].path
        pq.write_table(pq.read_table(old, partitioning=None).drop_columns(["links"]), old)
        assert Compactor(tmp_path, EAGER).run(NOON).files_merged == 2
        found = ledger.traces({("default", span.trace_id): {TODAY} for span in (reading(1), linking)})
        assert [stored.readings for stored in found.values()] == [(reading(1),), (linking,)]


def test_old_files_stay_for_the_grace(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        fill(ledger, 2)
        patient = EAGER.model_copy(update={"compact_grace_seconds": 3600.0})
        Compactor(tmp_path, patient).run()
        assert len(list(data_files(tmp_path))) == 6
        assert Compactor(tmp_path, patient).run() == Done()
        assert len(list(data_files(tmp_path))) == 6
        assert Compactor(tmp_path, EAGER).run() == Done(files_deleted=4)
        assert len(list(data_files(tmp_path))) == 2


def test_few_files_wait_until_the_day_is_quiet(tmp_path: Path) -> None:
    config = StoreConfig(compact_files_min=8, chargeless_days=0)
    with Ledger.open(tmp_path) as ledger:
        fill(ledger, 7)
        assert Compactor(tmp_path, config).run(NOON).files_merged == 0
        fill(ledger, 1)
        assert Compactor(tmp_path, config).run(NOON).files_merged == 16
        fill(ledger, 1)
        assert Compactor(tmp_path, config).run(NOON).files_merged == 0
        assert Compactor(tmp_path, config).run(QUIET).files_merged == 4
        assert live(ledger) == [1, 1]


def test_large_files_are_left_alone(tmp_path: Path) -> None:
    config = EAGER.model_copy(update={"compact_rows_max": 10})
    with Ledger.open(tmp_path) as ledger:
        fill(ledger, 6, rows=4)
        assert Compactor(tmp_path, config).run(QUIET).files_written == 6, "three files of eight rows for each table"
        assert live(ledger) == [3, 3]
        assert Compactor(tmp_path, config).run(QUIET).files_merged == 0


def test_only_one_compaction_at_a_time(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        fill(ledger, 3)
        take_lease(ledger.metastore, LEASE, "another", 60)
        assert Compactor(tmp_path, EAGER).run() == Done()
        end_lease(ledger.metastore, LEASE, "another")
        assert Compactor(tmp_path, EAGER).run().files_merged == 6


def test_one_who_slept_through_its_lease_swaps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger.open(tmp_path) as ledger:
        fill(ledger, 3)
        before = list(events(ledger))
        monkeypatch.setattr("spanledger.store.compact.LEASE_SECONDS", -1.0)  # it has always ended already
        assert Compactor(tmp_path, EAGER).run() == Done()
        assert live(ledger) == [3, 3]
        assert len(list(data_files(tmp_path))) == 6, "what it wrote is gone"
        assert list(events(ledger)) == before


def test_spans_without_a_charge_are_dropped_after_a_week_and_no_others(tmp_path: Path) -> None:
    config = StoreConfig(chargeless_days=7.0)
    charged = [reading(1), plain(2, trace_id=reading(1).trace_id)]
    told_elsewhere = reading(3)  # a suppressed call: no charge of its own, but a link by which it is known again
    chargeless = [plain(4), plain(5, trace_id=plain(4).trace_id, kind="tool", call=Call("otel-genai", tool_name="search"))]
    still_open = plain(6, position=50)
    with Ledger.open(tmp_path) as ledger:
        ledger.commit([event(1)], [*charged, told_elsewhere, *chargeless, still_open], position=60, open_position=50, booked_ns=NOON)
        assert Compactor(tmp_path, config).run(NOON + 7 * DAY_NS).spans_dropped == 0
        assert Compactor(tmp_path, config).run(NOON + 8 * DAY_NS).spans_dropped == 2
        stored = ledger.traces({("default", plain(number).trace_id): {TODAY} for number in (1, 3, 4, 6)})
        assert {span for trace in stored.values() for span in trace.readings} == {*charged, told_elsewhere, still_open}
        assert Compactor(tmp_path, config).run(NOON + 9 * DAY_NS).files_merged == 0, "a file is gone through once"


def test_a_root_days_before_the_charge_of_its_trace_stays(tmp_path: Path) -> None:
    charged, stranger = reading(1), plain(2, start_ns=NOON - 4 * DAY_NS)
    root = plain(9, trace_id=charged.trace_id, start_ns=NOON - 4 * DAY_NS)
    with Ledger.open(tmp_path) as ledger:
        wide = {("default", charged.trace_id): {TODAY - 4, TODAY}}
        ledger.commit([event(1)], [charged, root, stranger], position=60, open_position=60, booked_ns=NOON, wide=wide)
        assert Compactor(tmp_path).run(NOON + 8 * DAY_NS).spans_dropped == 1
        stored = ledger.traces({("default", charged.trace_id): {TODAY}})
        assert len(stored["default", charged.trace_id].readings) == 2


def test_a_file_of_nothing_but_chargeless_spans_goes_altogether(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        ledger.commit([], [plain(1), plain(2)], position=60, open_position=60, booked_ns=NOON)
        assert Compactor(tmp_path).run(NOON + 8 * DAY_NS) == Done(files_merged=1, spans_dropped=2)
        assert live(ledger) == [0, 0]


def test_reports_and_commits_go_on_while_files_are_swapped(tmp_path: Path) -> None:
    """Each report sees the rows of a whole number of commits, never some twice or not at all."""
    stop, wrong = threading.Event(), list[object]()

    def read() -> None:
        with Ledger.open(tmp_path, read_only=True) as reader:
            last = 0
            while not stop.is_set():
                calls = report(reader, ()).totals[0]
                if calls % 3 or calls < last:
                    wrong.append((last, calls))
                last = calls

    def tidy() -> None:
        compactor = Compactor(tmp_path, EAGER.model_copy(update={"compact_grace_seconds": 5.0}))
        while not stop.is_set():
            compactor.run()

    with Ledger.open(tmp_path) as ledger:
        fill(ledger, 1)
        threads = [threading.Thread(target=work) for work in (read, read, tidy)]
        for thread in threads:
            thread.start()
        fill(ledger, 40)
        stop.set()
        for thread in threads:
            thread.join()
        assert not wrong
        assert report(ledger, ()).totals[0] == 41 * 3
        assert ledger.metastore.connection.execute("SELECT count(*) FROM files WHERE removed_ns IS NOT NULL").fetchone()[0] > 0


def test_a_run_that_is_told_to_stop_ends_before_the_next_file(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        fill(ledger, 3)
        compactor = Compactor(tmp_path, EAGER)
        compactor.stop()
        assert compactor.run() == Done()
        assert live(ledger) == [3, 3]
