"""Creates, lists and revokes API keys in a data folder."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spanledger.cli.times import utc_text
from spanledger.store.keys import ApiKey, Keys

COLUMNS = ("key_id", "account", "tenant", "scopes", "name", "created", "state")


@contextmanager
def _keys(data: Path) -> Iterator[Keys]:
    keys = Keys.open(data)
    try:
        yield keys
    finally:
        keys.close()


def create_key(data: Path, *, account: str, tenant: str | None, name: str, scopes: Sequence[str]) -> tuple[str, str]:
    """Make a key; (id, secret). The data folder is made if it is not there yet."""
    from spanledger.cli.folder import DataFolder

    DataFolder(data).create()
    with _keys(data) as keys:
        made = keys.create_key(account, tenant, scopes, name)
    return made.key_id, made.secret


def key_rows(data: Path) -> tuple[Sequence[str], list[Sequence[Any]]]:
    """Every key ever made, without its secret."""
    with _keys(data) as keys:
        return COLUMNS, [_row(key) for key in keys.list_keys()]


def _row(key: ApiKey) -> Sequence[Any]:
    state = "active" if key.is_active(time.time_ns()) else ("revoked" if key.revoked_ns is not None else "expired")
    return key.key_id, key.authority, key.tenant, ",".join(key.scopes), key.name, utc_text(key.created_ns), state


def revoke_key(data: Path, key_id: str) -> None:
    """End a key; the store's error says if there is none of this id."""
    with _keys(data) as keys:
        keys.revoke_key(key_id)
