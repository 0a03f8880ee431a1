"""Inheritance of payers, apart from settlement."""

from __future__ import annotations

from spanledger.enrich.inherit import Inheritance, lend_payers
from spanledger.enrich.records import NOBODY, Payers
from tests.enrich.trees import other, pays, readings


def test_fields_are_lent_one_by_one() -> None:
    assert lend_payers(Payers(user="u"), Payers(tenant="t", user="other", session="s")) == Payers("t", "u", "s")
    assert lend_payers(NOBODY, pays("acme")) == pays("acme")


def test_an_allocation_says_who_pays_as_a_tenant_does() -> None:
    shared = Payers(allocation=(("a", 1), ("b", 1)))
    assert lend_payers(shared, Payers(tenant="t")).tenant is None
    assert lend_payers(Payers(tenant="t"), shared).allocation == ()
    assert lend_payers(Payers(user="u"), shared).allocation == shared.allocation


def test_where_the_tenant_was_found() -> None:
    nodes = readings(other("root", other("child", resource_payers=pays("r")), payers=pays("acme")))
    inheritance = Inheritance(nodes, [-1, 0])
    assert inheritance.of(1).tenant == "r"
    assert inheritance.tenant_source(0, "acme") == "span:tenant.id"
    assert inheritance.tenant_source(1, "acme") == "ancestor:tenant.id"
    assert inheritance.tenant_source(1, "r") == "span:tenant.id"  # its source is as the resource's payers name it
    assert inheritance.tenant_source(1, "nobody") is None
    assert inheritance.tenant_source(1, None) is None
