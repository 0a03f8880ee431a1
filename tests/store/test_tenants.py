"""Tenants' dated attributes: what is set when, and who is topmost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from spanledger.store.errors import StoreError
from spanledger.store.metastore import Metastore
from spanledger.store.tenants import ALWAYS_NS, ENDLESS_NS, Change, TenantFact, Tenants, read_facts, roll_up
from spanledger.store.viewer import Viewer

NOW = 1_000


@pytest.fixture
def tenants(tmp_path: Path) -> Iterator[Tenants]:
    opened = Tenants.open(tmp_path)
    yield opened
    opened.close()


def values(tenants: Tenants, tenant: str, attribute: str = "plan") -> list[tuple[str, int, int]]:
    return [(fact.value, fact.from_ns, fact.until_ns) for fact in tenants.facts(tenant, attribute)]


def test_the_first_value_held_always_and_the_next_one_holds_from_now_on(tenants: Tenants) -> None:
    tenants.change([Change("acme", "plan", "free")], NOW)
    assert values(tenants, "acme") == [("free", ALWAYS_NS, ENDLESS_NS)]
    tenants.change([Change("acme", "plan", "pro")], NOW)
    assert values(tenants, "acme") == [("free", ALWAYS_NS, NOW), ("pro", NOW, ENDLESS_NS)]


def test_a_value_in_the_middle_leaves_both_sides(tenants: Tenants) -> None:
    tenants.change([Change("acme", "plan", "free"), Change("acme", "plan", "trial", 10, 20)], NOW)
    assert values(tenants, "acme") == [("free", ALWAYS_NS, 10), ("trial", 10, 20), ("free", 20, ENDLESS_NS)]


def test_taking_away_leaves_a_gap_and_other_tenants_alone(tenants: Tenants) -> None:
    tenants.change([Change("acme", "plan", "pro"), Change("globex", "plan", "pro"), Change("acme", "plan", None, 10, 20)], NOW)
    assert values(tenants, "acme") == [("pro", ALWAYS_NS, 10), ("pro", 20, ENDLESS_NS)]
    assert values(tenants, "globex") == [("pro", ALWAYS_NS, ENDLESS_NS)]


def test_all_of_an_import_or_nothing(tenants: Tenants) -> None:
    with pytest.raises(StoreError, match="before it begins"):
        tenants.change([Change("acme", "plan", "pro"), Change("acme", "plan", "free", 20, 10)], NOW)
    assert tenants.facts() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (Change("acme", "Plan", "pro"), "no attribute name"),
        (Change("acme", 'p"', "pro"), "no attribute name"),
        (Change("", "plan", "pro"), "1 to 256"),
        (Change("acme", "plan", "x" * 257), "1 to 256"),
    ],
)
def test_what_cannot_be_meant_is_refused(tenants: Tenants, change: Change, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        tenants.change([change], NOW)


def test_nobody_is_above_himself(tenants: Tenants) -> None:
    tenants.change([Change("a", "parent", "b"), Change("b", "parent", "c")], NOW)
    for tenant, parent in (("c", "a"), ("a", "a")):
        with pytest.raises(StoreError, match="cannot be its parent"):
            tenants.change([Change(tenant, "parent", parent)], NOW)


def test_accounts_have_tenants_of_their_own(tenants: Tenants) -> None:
    tenants.change([Change("acme", "plan", "pro"), Change("acme", "plan", "free", authority="eu")], NOW)
    assert [(fact.authority, fact.value) for fact in tenants.facts("acme")] == [("default", "pro"), ("eu", "free")]


def test_names_are_those_that_somebody_has(tenants: Tenants, tmp_path: Path) -> None:
    tenants.change([Change("acme", "plan", "pro"), Change("globex", "department", "sales")], NOW)
    reading = Metastore.open(tmp_path, read_only=True)
    assert sorted({fact.attribute for fact in read_facts(reading)}) == ["department", "plan"]
    reading.close()


def test_a_viewer_learns_of_itself_and_not_who_stands_above(tenants: Tenants) -> None:
    of = [
        Change("acme", "plan", "pro"),
        Change("acme", "parent", "holding"),
        Change("globex", "plan", "x"),
        Change("acme", "plan", "y", authority="eu"),
    ]
    tenants.change(of, NOW)

    def seen(viewer: Viewer) -> list[str]:
        return [fact.value for fact in tenants.facts(viewer=viewer)]

    assert seen(Viewer("default", "acme")) == ["pro"]
    assert sorted(seen(Viewer("default", None))) == ["holding", "pro", "x"]
    assert seen(Viewer("eu", None)) == ["y"]


def test_an_older_ledger_knows_none(tmp_path: Path) -> None:
    store = Metastore.open(tmp_path)
    store.connection.execute("DROP TABLE tenant_facts")
    store.connection.execute("PRAGMA user_version = 1")
    store.close()
    older = Metastore.open(tmp_path, read_only=True)
    assert read_facts(older) == []
    older.close()


def parent(tenant: str, above: str, start: int = ALWAYS_NS, end: int = ENDLESS_NS) -> TenantFact:
    return TenantFact("default", tenant, "parent", above, start, end)


def test_the_topmost_counts_at_each_time() -> None:
    """a is below b always; b is below c from 10 to 20, below d from 30: so a is below b, c, b, d in turn."""
    found = roll_up([parent("a", "b"), parent("b", "c", 10, 20), parent("b", "d", 30)])
    assert [(f.tenant, f.value, f.from_ns, f.until_ns) for f in found] == [
        ("a", "b", ALWAYS_NS, 10),
        ("a", "c", 10, 20),
        ("a", "b", 20, 30),
        ("a", "d", 30, ENDLESS_NS),
        ("b", "c", 10, 20),
        ("b", "d", 30, ENDLESS_NS),
    ]


def test_a_circle_in_the_data_ends() -> None:
    assert [(f.tenant, f.value) for f in roll_up([parent("a", "b"), parent("b", "a")])] == [("a", "a"), ("b", "b")]
