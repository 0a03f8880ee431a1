"""Tenants' attributes as columns of a report: joined by tenant and by the time of the call, so that a plan of today re-labels no past."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import duckdb

from spanledger.store.ledger import Ledger
from spanledger.store.tenants import PARENT, read_facts, roll_up

PREFIX: Final = "tenant."


def attribute_dimensions(ledger: Ledger) -> list[str]:
    """The names a report may be by: "tenant.plan", …; "tenant.parent" always, since a tenant without one stands for itself."""
    names = {fact.attribute for fact in read_facts(ledger.metastore, viewer=ledger.viewer)}
    return [PREFIX + name for name in sorted({*names, PARENT})]


def attribute_expression(attributes: Sequence[str], name: str) -> str:
    """The SQL of a dimension that `join_attributes` has joined."""
    value = f"fact_{attributes.index(name):d}.fact_value"
    return f"coalesce({value}, tenant_id)" if name == PREFIX + PARENT else value


def join_attributes(connection: duckdb.DuckDBPyConnection, ledger: Ledger, attributes: Sequence[str]) -> str:
    """A table for each attribute with who had which value when, and the SQL that joins them; names are numbers, never a user's text."""
    joins = []
    for number, name in enumerate(attributes):
        facts = read_facts(ledger.metastore, attribute=name.removeprefix(PREFIX), viewer=ledger.viewer)
        if name == PREFIX + PARENT:
            facts = roll_up(facts)
        table = f"fact_{number:d}"
        names = "fact_authority VARCHAR, fact_tenant VARCHAR, fact_value VARCHAR, fact_from BIGINT, fact_until BIGINT"
        connection.execute(f"CREATE TEMP TABLE {table} ({names})")
        if facts:
            columns = [[fact.authority for fact in facts], [fact.tenant for fact in facts], [fact.value for fact in facts]]
            times = [[fact.from_ns for fact in facts], [fact.until_ns for fact in facts]]
            connection.execute(f"INSERT INTO {table} SELECT unnest(?), unnest(?), unnest(?), unnest(?), unnest(?)", [*columns, *times])
        joins.append(
            f" LEFT JOIN {table} ON {table}.fact_authority = authority AND {table}.fact_tenant = tenant_id"
            f" AND start_ns >= {table}.fact_from AND start_ns < {table}.fact_until"
        )
    return "".join(joins)
