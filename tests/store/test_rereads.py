"""What a replay has read again takes the place of what was read before: in look-ups, in SQL, after compaction, in any order of files."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger.enrich.links import link_keys
from spanledger.enrich.records import Payers, Reading
from spanledger.store import span_rows
from spanledger.store.compact import Compactor
from spanledger.store.config import StoreConfig
from spanledger.store.ledger import Ledger
from spanledger.store.query import snapshot
from spanledger.store.rereads import Reread, marked, rereads_of, standing, stands, without_replaced
from spanledger.store.runs import run_of
from spanledger.store.sql import sql
from tests.store.samples import NOON, reading

TRACE = reading(1).trace_id
DAY = NOON // 86_400_000_000_000


def said(tenant: str, position: int, span: int = 1) -> Reading:
    return reading(1, span_id=span.to_bytes(8, "big"), position=position, payers=Payers(tenant=tenant))


def tenants(ledger: Ledger) -> list[str | None]:
    found = ledger.traces({("default", TRACE): {DAY}})
    return sorted(str(each.payers.tenant) for each in found[("default", TRACE)].readings)


def replayed(data: Path, number: int, to: int, *readings: Reading) -> None:
    """Store spans as the replay that is `number` does."""
    with Ledger.open_beside(data) as ledger:
        run = run_of("replay", {"number": number})
        ledger.commit_outside(reread=[readings], reread_to=to, run=run, booked_ns=NOON)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Spans 1 and 2 of a trace, from requests at 10 and 20."""
    with Ledger.open(tmp_path) as ledger:
        ledger.commit((), [said("old-1", 10), said("old-2", 20, 2)], position=100, open_position=100, booked_ns=NOON)
    return tmp_path


def test_what_was_read_again_counts_instead(data: Path) -> None:
    replayed(data, 1, 50, said("new-1", 10), said("new-2", 20, 2))
    with Ledger.open(data) as ledger:
        assert tenants(ledger) == ["new-1", "new-2"]
        ledger.commit((), [said("late", 120, 3)], position=200, open_position=200, booked_ns=NOON)
        assert tenants(ledger) == ["late", "new-1", "new-2"]


def test_without_a_mark_both_would_count(data: Path) -> None:
    """The control: the same rows stored as if they had just come."""
    with Ledger.open(data) as ledger:
        ledger.commit((), [said("new-1", 10), said("new-2", 20, 2)], position=100, open_position=100, booked_ns=NOON)
        assert tenants(ledger) == ["new-1", "new-2", "old-1", "old-2"]


def test_spans_from_behind_what_was_read_again_stay(data: Path) -> None:
    replayed(data, 1, 15, said("new-1", 10))
    with Ledger.open(data, read_only=True) as ledger:
        assert tenants(ledger) == ["new-1", "old-2"]


def test_the_latest_replay_counts_and_another_can_take_it_back(data: Path) -> None:
    replayed(data, 1, 50, said("new-1", 10), said("new-2", 20, 2))
    replayed(data, 2, 50, said("old-1", 10), said("old-2", 20, 2))
    with Ledger.open(data, read_only=True) as ledger:
        assert tenants(ledger) == ["old-1", "old-2"]


def test_other_traces_are_not_touched(data: Path) -> None:
    replayed(data, 1, 50, reading(7, position=30))
    with Ledger.open(data, read_only=True) as ledger:
        assert tenants(ledger) == ["old-1", "old-2"]


def test_sql_shows_what_stands(data: Path) -> None:
    replayed(data, 1, 50, said("new-1", 10), said("new-2", 20, 2))
    with Ledger.open(data, read_only=True) as ledger:
        assert [row[0] for row in sql(ledger, "SELECT position FROM spans ORDER BY 1").rows] == [10, 20]
        with snapshot(ledger, spans=True) as connection:
            assert connection.execute("SELECT bool_and(payers LIKE '%new%') FROM spans").fetchall() == [(True,)]


def test_compaction_drops_what_was_replaced_and_changes_no_answer(data: Path) -> None:
    replayed(data, 1, 50, said("new-1", 10), said("new-2", 20, 2))
    with Ledger.open(data) as ledger:
        ledger.commit((), [said("late", 120, 3)], position=200, open_position=200, booked_ns=NOON)
    Compactor(data, StoreConfig(compact_files_min=2, chargeless_days=0)).run(NOON + 10**15)
    with Ledger.open(data, read_only=True) as ledger:
        files = ledger.metastore.live_files("spans")
        assert [file.rows for file in files] == [3]
        assert tenants(ledger) == ["late", "new-1", "new-2"]
    replayed(data, 2, 150, said("again", 10))
    with Ledger.open(data, read_only=True) as ledger:
        assert tenants(ledger) == ["again"]


def test_a_file_without_the_columns_is_read_as_ever(data: Path) -> None:
    """As an earlier version wrote it."""
    with Ledger.open(data) as ledger:
        file = data / ledger.metastore.live_files("spans")[0].path
        pq.write_table(pq.ParquetFile(file).read().drop_columns(["reread_in", "reread_to"]), file)
    replayed(data, 1, 15, said("new-1", 10))
    with Ledger.open(data, read_only=True) as ledger:
        assert tenants(ledger) == ["new-1", "old-2"]


def table(*rows: tuple[int, Reread | None]) -> pa.Table:
    parts = []
    for position, reread in rows:
        part = span_rows.to_table([said("x", position)], link_keys)
        parts.append(part if reread is None else marked(part, reread))
    return pa.concat_tables(parts)


def test_rows_say_in_which_replay_they_came() -> None:
    assert rereads_of(table((1, None), (2, None))) is None
    assert rereads_of(table((1, None), (2, Reread(5, 9)))) == [None, Reread(5, 9)]


ROWS = st.lists(st.tuples(st.integers(0, 6), st.none() | st.builds(Reread, st.integers(1, 3), st.integers(0, 7))), min_size=1, max_size=6)


@settings(deadline=None)
@given(ROWS)
def test_dropping_and_passing_over_agree_in_any_order(rows: list[tuple[int, Reread | None]]) -> None:
    wanted = sorted(standing([((position, reread), position, reread) for position, reread in rows]), key=repr)
    for order in (rows, rows[::-1]):
        left = without_replaced(table(*order))
        pairs = zip(left.column("position").to_pylist(), rereads_of(left) or [None] * left.num_rows, strict=True)
        assert sorted(pairs, key=repr) == wanted


def test_one_replay_does_not_replace_itself() -> None:
    assert stands(3, Reread(1, 9), [Reread(1, 9)])
    assert not stands(3, None, [Reread(1, 9)])
    assert not stands(3, Reread(1, 9), [Reread(2, 9)])
    assert stands(3, Reread(2, 9), [Reread(1, 9)])
