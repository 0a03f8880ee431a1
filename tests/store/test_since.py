"""What came after a commit is known by its rows, also when compaction has rewritten the files."""

from __future__ import annotations

from pathlib import Path

from spanledger.store.compact import Compactor
from spanledger.store.config import StoreConfig
from spanledger.store.ledger import Ledger
from spanledger.store.since import traces_since
from tests.store.samples import NOON, event, reading


def key(number: int) -> tuple[str, bytes]:
    return "default", reading(number).trace_id


def test_spans_and_entries_after_a_commit_name_their_traces(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        ledger.commit([event(1)], [reading(1)], position=10, open_position=10, booked_ns=NOON)
        then = ledger.metastore.last_commit()
        assert traces_since(ledger, then) == set()
        ledger.commit([event(2)], [], position=20, open_position=20, booked_ns=NOON)
        ledger.commit([], [reading(3, position=25)], position=30, open_position=30, booked_ns=NOON)
        assert traces_since(ledger, then) == {key(2), key(3)}
        Compactor(tmp_path, StoreConfig(compact_files_min=2, chargeless_days=0)).run(NOON + 10**15)
        assert {file.rows for table in ("events", "spans") for file in ledger.metastore.live_files(table)} == {2}
        assert traces_since(ledger, then) == {key(2), key(3)}, "trace 1 lies in the same files now"
        assert traces_since(ledger, ledger.metastore.last_commit()) == set()
