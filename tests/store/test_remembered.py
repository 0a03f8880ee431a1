"""What is remembered of the metastore is what the metastore says, whoever has changed it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from spanledger.store.compact import Compactor
from spanledger.store.config import StoreConfig
from spanledger.store.index import IndexCache
from spanledger.store.ledger import Ledger
from spanledger.store.metastore import Metastore
from spanledger.store.remembered import Remembered
from tests.store.samples import DAY_NS, NOON, event, reading

TODAY = NOON // DAY_NS
EAGER = StoreConfig(compact_files_min=2)
KEY = ("default", reading(1).trace_id)
OTHER = ("default", reading(2).trace_id)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Ledger.open(tmp_path) as ledger:
        for number in (1, 2):
            ledger.commit([event(number)], [reading(number)], position=number, open_position=0, booked_ns=NOON, wide={KEY: {TODAY - 9}})
    return tmp_path


def remembered(store: Metastore, folder: Path, *, is_keeper: bool = False) -> Remembered:
    return Remembered(store, IndexCache(folder, 1 << 20), is_keeper=is_keeper)


def test_files_that_another_connection_swaps_are_asked_for_again(folder: Path) -> None:
    known = remembered(Metastore.open(folder), folder)
    before = known.live_files()
    assert (len(before.spans[TODAY]), len(before.events[TODAY])) == (2, 2)
    assert known.live_files() is before, "nothing has changed"
    assert Compactor(folder, EAGER).run(NOON).files_merged == 4
    assert [len(days[TODAY]) for days in known.live_files()] == [1, 1]


def test_ones_own_files_are_added_and_whatever_else_was_committed_comes_with_forget(folder: Path) -> None:
    store = Metastore.open(folder)
    known = remembered(store, folder, is_keeper=True)
    added = known.live_files().spans[TODAY][0]._replace(path="new", day=TODAY + 1)
    known.add([added], [OTHER])
    assert known.live_files().spans[TODAY + 1] == [added]
    known.forget()
    assert TODAY + 1 not in known.live_files().spans, "it was not in the metastore"


@pytest.mark.parametrize(("is_keeper", "asked"), [(True, 0), (False, 1)])
def test_the_keeper_asks_for_wide_traces_only(folder: Path, is_keeper: bool, asked: int) -> None:
    store = Metastore.open(folder)
    known = remembered(store, folder, is_keeper=is_keeper)
    queries: list[str] = []
    store.connection.set_trace_callback(lambda sql: queries.append(sql) if "wide_traces" in sql else None)
    assert known.wide_days([OTHER]) == {}
    assert len(queries) == asked
    assert known.wide_days([KEY, OTHER]) == {KEY: {TODAY - 9}}
    assert len(queries) == asked + 1


def test_wide_traces_of_others_are_known_after_forget(folder: Path) -> None:
    known = remembered(Metastore.open(folder), folder, is_keeper=True)
    with sqlite3.connect(folder / "meta.sqlite") as another:
        another.execute("INSERT INTO wide_traces VALUES (?, 'default', 7)", [OTHER[1]])
    another.close()
    assert known.wide_days([OTHER]) == {}
    known.forget()
    assert known.wide_days([OTHER]) == {OTHER: {7}}
