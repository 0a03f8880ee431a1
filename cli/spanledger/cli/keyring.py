"""Creates, lists, rotates and revokes API keys in a data folder."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spanledger.cli.errors import UsageMistake
from spanledger.cli.times import utc_text
from spanledger.store.keys import ApiKey, Keys

COLUMNS = ("key_id", "account", "tenant", "scopes", "name", "created", "expires", "state")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_YEARS_MAX_SECONDS = 100 * 366 * 86_400


@contextmanager
def _keys(data: Path) -> Iterator[Keys]:
    keys = Keys.open(data)
    try:
        yield keys
    finally:
        keys.close()


def create_key(
    data: Path, *, account: str, tenant: str | None, name: str, scopes: Sequence[str], expires: str | None = None
) -> tuple[str, str]:
    """Make a key; (id, secret). The data folder is made if it is not there yet. `expires` is a length of time, such as 90d."""
    from spanledger.cli.folder import DataFolder

    expires_ns = None if expires is None else time.time_ns() + seconds_of(expires, "--expires") * 1_000_000_000
    DataFolder(data).create()
    with _keys(data) as keys:
        made = keys.create_key(account, tenant, scopes, name, expires_ns=expires_ns)
    return made.key_id, made.secret


def rotate_key(data: Path, key_id: str, overlap: str) -> tuple[str, str]:
    """Make a key's successor; (id, secret). The old one ends after `overlap`, a length of time such as 24h."""
    seconds = seconds_of(overlap, "--overlap")
    with _keys(data) as keys:
        made = keys.rotate_key(key_id, seconds)
    return made.key_id, made.secret


def seconds_of(text: str, option: str) -> int:
    """A length of time such as 30m, 12h or 90d in seconds; UsageMistake for anything else."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", text.strip())
    seconds = int(match[1]) * _SECONDS[match[2]] if match else -1
    if not 0 <= seconds <= _YEARS_MAX_SECONDS:
        raise UsageMistake(f"{option}: {text!r} is no length of time; write it as in 30m, 12h or 90d")
    return seconds


def key_rows(data: Path) -> tuple[Sequence[str], list[Sequence[Any]]]:
    """Every key ever made, without its secret."""
    with _keys(data) as keys:
        return COLUMNS, [_row(key) for key in keys.list_keys()]


def _row(key: ApiKey) -> Sequence[Any]:
    state = "active" if key.is_active(time.time_ns()) else ("revoked" if key.revoked_ns is not None else "expired")
    expires = None if key.expires_ns is None else utc_text(key.expires_ns)
    return key.key_id, key.authority, key.tenant, ",".join(key.scopes), key.name, utc_text(key.created_ns), expires, state


def revoke_key(data: Path, key_id: str) -> None:
    """End a key; the store's error says if there is none of this id."""
    with _keys(data) as keys:
        keys.revoke_key(key_id)
