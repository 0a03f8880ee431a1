"""Whose eyes a question is asked with: the bearer of a key sees the rows of its account, and of its tenant where it is bound to one.

It is decided in one place, under every view of the ledger that a question can be asked of, so that no report can forget it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import duckdb


class Viewer(NamedTuple):
    """An account, and the one tenant of it whose rows are shown; None shows them all."""

    authority: str
    tenant: str | None


UNSEEN: Final = "every_"
"""What the names of the whole views begin with, under the narrowed ones."""


def narrow(connection: duckdb.DuckDBPyConnection, viewer: Viewer, names: Iterable[str]) -> None:
    """Make the views `entries` and `spans` of what a viewer may see, over those of everything.

    A tenant sees the spans of traces that nobody else ever had a part in: those of shared work tell of others.
    """
    connection.execute("CREATE TABLE viewer (authority VARCHAR, tenant VARCHAR)")  # a view cannot hold bound values
    connection.execute("INSERT INTO viewer VALUES (?, ?)", [viewer.authority, viewer.tenant])
    account = "authority = (SELECT authority FROM viewer)"
    tenant = "tenant_id = (SELECT tenant FROM viewer)"
    own_traces = (
        f"SELECT trace_id FROM {UNSEEN}entries WHERE {account} GROUP BY trace_id"  # noqa: S608 - our own names
        f" HAVING bool_and(tenant_id IS NULL OR {tenant}) AND bool_or(tenant_id IS NOT NULL)"
    )
    only = {"entries": f"AND {tenant}", "spans": f"AND trace_id IN ({own_traces})"}
    for name in names:
        where = account if viewer.tenant is None else f"{account} {only[name]}"
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {UNSEEN}{name} WHERE {where}")  # noqa: S608 - as above
