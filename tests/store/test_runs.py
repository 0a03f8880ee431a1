"""Runs are named by what decides them, and are in the ledger exactly when their entries are."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger.store.errors import QueryError
from spanledger.store.ledger import Ledger
from spanledger.store.runs import get_run, list_runs, run_of
from tests.store.samples import NOON, event


def test_a_run_is_named_by_its_inputs_alone() -> None:
    one = run_of("reprice", {"catalog": "rc1-a", "since": 5}, actor="kim", reason="new contract")
    assert one.run_id == run_of("reprice", {"since": 5, "catalog": "rc1-a"}, actor="lee").run_id
    assert one.run_id.startswith("rp1-")
    assert one.run_id != run_of("reprice", {"catalog": "rc1-b", "since": 5}).run_id
    assert one.run_id[4:] != run_of("replay", {"catalog": "rc1-a", "since": 5}).run_id[4:]


def test_runs_are_listed_latest_first_and_found_by_how_they_begin(tmp_path: Path) -> None:
    Ledger.open(tmp_path).close()
    first, second = run_of("reprice", {"n": 1}, actor="kim", reason="because"), run_of("replay", {"n": 2})
    with Ledger.open_beside(tmp_path) as ledger:
        ledger.commit_outside([event(1), event(2, cost_usd=None)], run=first, booked_ns=NOON)
        ledger.commit_outside(run=second, booked_ns=NOON + 1)
    with Ledger.open(tmp_path, read_only=True) as ledger:
        found = list_runs(ledger.metastore)
        assert [run.run_id for run in found] == [second.run_id, first.run_id]
        assert found[1] == (first.run_id, "reprice", '{"n":1}', "kim", "because", 2, 12_500_000_000_000_000, 1, NOON)
        assert get_run(ledger.metastore, first.run_id[:8]) == found[1]
        for name in ("rp1-zzz", "r"):
            with pytest.raises(QueryError, match="begins"):
                get_run(ledger.metastore, name)
