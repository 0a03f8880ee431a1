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

_SENT_FOR_OTHERS: Final = f"""
    SELECT trace_id FROM {UNSEEN}spans JOIN viewer ON {UNSEEN}spans.authority = viewer.authority
    WHERE CASE WHEN key_tenant IS NOT NULL THEN key_tenant <> viewer.tenant ELSE
        coalesce(json_extract_string(payers, '$.tenant') <> viewer.tenant, false)
        OR coalesce(json_extract_string(resource_payers, '$.tenant') <> viewer.tenant, false)
        OR json_extract(payers, '$.allocation') IS NOT NULL OR json_extract(resource_payers, '$.allocation') IS NOT NULL END
"""  # noqa: S608 - our own names


def narrow(connection: duckdb.DuckDBPyConnection, viewer: Viewer, names: Iterable[str]) -> None:
    """Make the views `entries` and `spans` of what a viewer may see, over those of everything.

    A tenant sees the spans of traces that nobody else ever had a part in: those of shared work tell of others. A part in a trace have
    those who were charged for it, and those for whom a span of it was sent: by the tenant of its key, or else by what it says.
    """
    connection.execute("CREATE TABLE viewer (authority VARCHAR, tenant VARCHAR)")  # a view cannot hold bound values
    connection.execute("INSERT INTO viewer VALUES (?, ?)", [viewer.authority, viewer.tenant])
    account = "authority = (SELECT authority FROM viewer)"
    tenant = "tenant_id = (SELECT tenant FROM viewer)"
    own_traces = (
        f"SELECT trace_id FROM {UNSEEN}entries WHERE {account} GROUP BY trace_id"  # noqa: S608 - our own names
        f" HAVING bool_and(tenant_id IS NULL OR {tenant}) AND bool_or(tenant_id IS NOT NULL)"
    )
    only = {"entries": f"AND {tenant}", "spans": f"AND trace_id IN ({own_traces}) AND trace_id NOT IN ({_SENT_FOR_OTHERS})"}
    for name in names:
        where = account if viewer.tenant is None else f"{account} {only[name]}"
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {UNSEEN}{name} WHERE {where}")  # noqa: S608 - as above


def copy_seen(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Put tables of what is seen in the place of the narrowed views, before a query of the viewer's own is run.

    A view only says which rows come out: DuckDB may evaluate a condition of the query on rows that the view leaves out, and say in an
    error what was in them, and `stats` gives the least and greatest value of whole files. From a copy there is nothing else to learn.
    A table that the text of the query does not name is left empty.
    """
    text = query.lower()
    wanted = {"entries": "entries" in text or "events" in text, "spans": "spans" in text}
    for name, is_wanted in wanted.items():
        connection.execute(f"CREATE TABLE seen_{name} AS SELECT * FROM {name} WHERE {is_wanted}")  # noqa: S608 - our own names
        connection.execute(f"DROP VIEW {name}")
        connection.execute(f"ALTER TABLE seen_{name} RENAME TO {name}")
    for (view,) in connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall():
        connection.execute(f"DROP VIEW {view}")  # the whole ones: our own names
    connection.execute("DROP TABLE viewer")
