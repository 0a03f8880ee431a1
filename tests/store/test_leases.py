from __future__ import annotations

from pathlib import Path

import pytest

from spanledger.store.errors import LedgerBusyError
from spanledger.store.leases import Hold, end_lease, in_force, take_lease
from spanledger.store.metastore import Metastore

SECOND = 1_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Metastore:
    return Metastore.open(tmp_path)


def test_a_lease_is_held_by_one_until_it_ends(store: Metastore) -> None:
    assert take_lease(store, "x", "one", 10, now_ns=0) == 1
    assert take_lease(store, "x", "one", 10, now_ns=5 * SECOND) == 1, "renewed"
    with pytest.raises(LedgerBusyError, match="one"):
        take_lease(store, "x", "two", 10, now_ns=14 * SECOND)
    assert take_lease(store, "x", "two", 10, now_ns=16 * SECOND) == 2
    end_lease(store, "x", "one")
    with pytest.raises(LedgerBusyError):
        take_lease(store, "x", "one", 10, now_ns=17 * SECOND)
    end_lease(store, "x", "two")
    assert take_lease(store, "x", "one", 10, now_ns=17 * SECOND) == 3


def test_a_lease_is_in_force_until_its_last_moment(store: Metastore) -> None:
    assert in_force(store.connection, "x", 0) is None
    take_lease(store, "x", "one", 10, now_ns=0)
    assert in_force(store.connection, "x", 10 * SECOND - 1) == Hold("one", 1)
    assert in_force(store.connection, "x", 10 * SECOND) is None
    assert in_force(store.connection, "y", 0) is None
    take_lease(store, "x", "two", 10, now_ns=10 * SECOND)
    assert in_force(store.connection, "x", 15 * SECOND) == Hold("two", 2)
    end_lease(store, "x", "two")
    assert in_force(store.connection, "x", 15 * SECOND) is None
    take_lease(store, "x", "now", 60)
    assert in_force(store.connection, "x") == Hold("now", 3)
