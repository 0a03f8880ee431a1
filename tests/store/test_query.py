from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from spanledger.store.compact import Compactor
from spanledger.store.config import StoreConfig
from spanledger.store.errors import StoreError
from spanledger.store.ledger import Ledger
from spanledger.store.query import EVERYTHING, live_files, snapshot
from spanledger.store.reports import report
from spanledger.store.schema import EVENT_FIELDS, SPAN_FIELDS
from tests.store.samples import DAY_NS, NOON, event, reading


def test_an_empty_ledger_has_the_columns_of_a_full_one(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:

        def described() -> list[list[tuple[str, str]]]:
            with snapshot(ledger, spans=True) as connection:
                return [
                    [row[:2] for row in connection.execute(f"DESCRIBE SELECT * FROM {name}").fetchall()] for name in ("entries", "spans")
                ]

        empty = described()
        ledger.commit([event(1)], [reading(1)], position=1, open_position=0, booked_ns=NOON)
        assert described() == empty
        assert [name for name, _ in empty[0]] == [*(field.name for field in EVENT_FIELDS), "event_date"]
        assert [name for name, _ in empty[1]] == [*(field.name for field in SPAN_FIELDS), "event_date"]
        assert not any(kind in ("DOUBLE", "FLOAT") for table in empty for _, kind in table), "no float anywhere near money"


def _as_written_before_there_were_links(folder: Path) -> None:
    """Take the columns that spans gained later out of every file there is."""
    for path in folder.rglob("spans/**/*.ledger"):
        pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["links", "reread_in", "reread_to"]), path)


def test_span_files_from_before_a_column_came_are_read_beside_newer_ones(tmp_path: Path) -> None:
    linked = reading(2)._replace(links=((b"t" * 16, b"s" * 8),))
    with Ledger.open(tmp_path) as ledger:

        def links() -> list[tuple[str, object]]:
            with snapshot(ledger, spans=True) as connection:
                return connection.execute("SELECT span_id, links FROM spans ORDER BY start_ns, span_id").fetchall()

        ledger.commit([], [reading(1)], position=1, open_position=0, booked_ns=NOON)
        new = links()
        _as_written_before_there_were_links(tmp_path)
        assert links() == new == [(new[0][0], None)]  # old files alone
        ledger.commit([], [linked], position=2, open_position=0, booked_ns=NOON)
        assert sorted(found for _, found in links() if found) == [[f"{(b't' * 16).hex()}:{(b's' * 8).hex()}"]]
        assert len(links()) == 2


def test_event_files_from_before_a_column_came_are_read_beside_newer_ones(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:

        def runs() -> list[tuple[object, ...]]:
            with snapshot(ledger) as connection:
                return connection.execute("SELECT entry_number, run_id, cost_usd FROM entries ORDER BY entry_number").fetchall()

        ledger.commit([event(1), event(2, start_ns=NOON - DAY_NS)], [], position=1, open_position=0, booked_ns=NOON)
        for path in [tmp_path / file.path for file in live_files(ledger, EVERYTHING, spans=False)[0]]:
            pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["run_id"]), path)
        cost = Decimal("0.0125")
        assert runs() == [(1, None, cost), (2, None, cost)]  # old files alone
        ledger.commit([event(3, run_id="rp1-x")], [], position=2, open_position=0, booked_ns=NOON)
        assert runs() == [(1, None, cost), (2, None, cost), (3, "rp1-x", cost)]
        [row] = report(ledger, ("run",), filters={"run": "rp1-x"}).rows
        assert row[0] == "rp1-x"
        Compactor(tmp_path, StoreConfig(compact_files_min=2)).run(NOON + 2 * DAY_NS)
        assert runs() == [(1, None, cost), (2, None, cost), (3, "rp1-x", cost)]


def test_files_outside_of_the_window_are_not_opened(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        for day in range(3):
            ledger.commit([event(day + 1, start_ns=NOON + day * DAY_NS)], [], position=day + 1, open_position=0, booked_ns=NOON)
        files, spans = live_files(ledger, (NOON + DAY_NS, NOON + DAY_NS + 1), spans=True)
        assert [file.start_ns_min for file in files] == [NOON + DAY_NS]
        assert spans == []


def test_a_snapshot_does_not_see_what_is_committed_after_it(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        ledger.commit([event(1)], [], position=1, open_position=0, booked_ns=NOON)
        with snapshot(ledger) as connection:
            ledger.commit([event(2)], [], position=2, open_position=0, booked_ns=NOON)
            assert connection.execute("SELECT count(*) FROM entries").fetchall() == [(1,)]


def test_threads_and_memory_are_settings(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, config=StoreConfig(query_threads=1, query_memory_mb=64)) as ledger, snapshot(ledger) as connection:
        threads, memory = connection.execute("SELECT current_setting('threads'), current_setting('memory_limit')").fetchall()[0]
        assert int(threads) == 1
        assert memory.startswith("61")  # MiB


@pytest.mark.parametrize(
    "name", ["it's", 'quo"te', "new\nline", "ünï", "a,b", "100%", "a{b,c}", "kind=reversal", "event_date=2001-01-01", "x=1"]
)
def test_a_data_folder_of_any_name(tmp_path: Path, name: str) -> None:
    with Ledger.open(tmp_path / name) as ledger:
        ledger.commit([event(1)], [], position=1, open_position=0, booked_ns=NOON)
        with snapshot(ledger) as connection:
            rows = connection.execute("SELECT kind, CAST(event_date AS VARCHAR) FROM entries").fetchall()
            assert rows == [("charge", "2026-11-21")]


@pytest.mark.parametrize("name", ["a*", "a?b", "[ab]"])
def test_a_data_folder_that_reads_as_a_pattern_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="pattern"):
        Ledger.open(tmp_path / name)
