"""What an API key allows: the one record that the store hands out and the receiver acts on, so that neither knows the other."""

from __future__ import annotations

from typing import NamedTuple


class Grant(NamedTuple):
    """The rights of an authenticated request.

    `authority` is the account whose ledger the spans go to. `tenant` binds the key to one tenant, who then pays whatever
    the spans claim; None lets it speak for every tenant of its account. `scopes` is a subset of {"ingest", "read", "admin"}.
    """

    key_id: str
    authority: str
    tenant: str | None
    scopes: frozenset[str]


DEFAULT_AUTHORITY = "default"
"""The account of a server that has no keys, and of files ingested without one."""
