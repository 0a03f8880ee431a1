from __future__ import annotations

from pathlib import Path

import pytest

from spanledger.store.conditions import DIMENSIONS, conditions
from spanledger.store.entries import events
from spanledger.store.errors import QueryError
from spanledger.store.ledger import Ledger
from tests.store.samples import NOON, event

HOSTILE = ["'; DROP TABLE entries; --", '" OR 1=1 --', "\\'; SELECT 1", "a\x00b", "x" * 300, "%", "$since", "\n", "' OR ''='", "\U0001d518"]


@pytest.mark.parametrize("tenant", HOSTILE)
def test_a_tenant_of_any_name_is_a_value_and_nothing_else(tmp_path: Path, tenant: str) -> None:
    with Ledger.open(tmp_path) as ledger:
        ledger.commit([event(1, tenant_id=tenant), event(2)], [], position=1, open_position=0, booked_ns=NOON)
        assert [found["tenant_id"] for found in events(ledger, filters={"tenant": tenant})] == [tenant]
        assert len(list(events(ledger, filters={"tenant": tenant + "?"}))) == 0
        assert len(list(events(ledger))) == 2


def test_filters_by_value_by_some_values_and_by_absence(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        tenants = ["a", "b", None, ""]
        booked = [event(n, tenant_id=tenant) for n, tenant in enumerate(tenants, 1)]
        ledger.commit(booked, [], position=1, open_position=0, booked_ns=NOON)

        def found(*wanted: str | None) -> list[object]:
            return [row["tenant_id"] for row in events(ledger, filters={"tenant": list(wanted)})]

        assert found("a") == ["a"]
        assert found(None) == [None]
        assert found("a", None) == ["a", None]
        assert found("") == [""]
        assert found() == []
        assert [row["tenant_id"] for row in events(ledger, filters={"tenant": None})] == [None]
        assert len(list(events(ledger, filters={"tenant": "a", "model": "nope"}))) == 0


def test_names_come_from_the_list_only() -> None:
    with pytest.raises(QueryError, match="tenant_id"):
        conditions((None, None), {"tenant_id": "x"})
    for name in DIMENSIONS:
        assert "$filter_0" in conditions((None, None), {name: "secret"}).sql
        assert "secret" not in conditions((None, None), {name: "secret"}).sql


def test_no_condition_is_true() -> None:
    assert conditions((None, None)).sql == "true"
