from __future__ import annotations

from pathlib import Path

import pytest

from spanledger.store.conditions import DIMENSIONS, TIME_UNITS, conditions, dimension
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
    with pytest.raises(QueryError, match="tenant; DROP"):
        conditions((None, None), {"tenant; DROP": "x"})
    for name in DIMENSIONS:
        assert "$filter_0" in conditions((None, None), {name: "secret"}).sql
        assert "secret" not in conditions((None, None), {name: "secret"}).sql


def test_no_condition_is_true() -> None:
    assert conditions((None, None)).sql == "true"


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        *[("cost_surface", "surface"), ("cost-surface", "surface"), ("service_tier", "tier"), ("service-tier", "tier")],
        *[("tenant_id", "tenant"), ("tenants", "tenant"), ("user_ids", "user"), ("agent_name", "agent"), (" Model ", "model")],
        *[("tool_name", "tool"), ("authorities", "authority"), ("price-state", "price_state"), ("months", "month"), ("daily", "day")],
        *[("tenant.plan_id", "tenant.plan_id"), ("colour", "colour"), ("", ""), ("tenant; DROP", "tenant; DROP")],
    ],
)
def test_a_dimension_goes_by_other_names(typed: str, name: str) -> None:
    assert dimension(typed) == name


def test_names_of_dimensions_stand_for_themselves() -> None:
    assert [dimension(name) for name in (*DIMENSIONS, *TIME_UNITS)] == [*DIMENSIONS, *TIME_UNITS]
