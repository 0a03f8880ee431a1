"""API keys: made, listed, rotated and revoked on the command line, looked up for every request.

A key reads `sl_<key id>_<secret>`. The secret is 256 bits from the system's random source, so its plain SHA-256 is enough to keep:
there is no dictionary to try, which is what slow hashes and salts defend against, and a request must not cost a slow hash.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple, Self

from spanledger.enrich.grants import DEFAULT_AUTHORITY, Grant
from spanledger.store.errors import StoreError
from spanledger.store.metastore import Metastore

SCOPES: Final = ("ingest", "read", "admin")
PREFIX: Final = "sl"
REFRESH_SECONDS: Final = 1.0
_NAME_MAX: Final = 256
_NO_DIGEST: Final = bytes(32)


class ApiKey(NamedTuple):
    """A key as it may be shown: everything but the secret, which nobody has. Times are nanoseconds UTC."""

    key_id: str
    authority: str
    tenant: str | None
    scopes: tuple[str, ...]
    name: str
    created_ns: int
    expires_ns: int | None
    revoked_ns: int | None

    def is_active(self, now_ns: int) -> bool:
        """Whether requests with it are let in at this time."""
        return self.revoked_ns is None and (self.expires_ns is None or now_ns < self.expires_ns)


class NewKey(NamedTuple):
    """A key just made; `secret` is the whole text to hand out, shown this once."""

    key_id: str
    secret: str


class Keys:
    """The keys of a data folder. Safe to use from several threads; changes by other processes are seen within a second."""

    def __init__(self, metastore: Metastore, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._metastore = metastore
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._known: dict[str, tuple[bytes, ApiKey]] = {}
        self._known_at = float("-inf")
        self._known_version = -1

    @classmethod
    def open(cls, data_dir: Path) -> Self:
        """The keys of a data folder, which is made if it is not there; close them after use."""
        return cls(Metastore.open(data_dir))

    def close(self) -> None:
        """Close the connection."""
        self._metastore.close()

    def create_key(
        self,
        authority: str = DEFAULT_AUTHORITY,
        tenant: str | None = None,
        scopes: Iterable[str] = ("ingest",),
        name: str = "",
        *,
        expires_ns: int | None = None,
    ) -> NewKey:
        """Make a key for an account, bound to one tenant or (None) allowed to speak for all of them. Raises StoreError for bad input."""
        wanted = set(scopes)
        if not wanted or not wanted <= set(SCOPES):
            raise StoreError(f"a key needs one or more of the scopes {', '.join(SCOPES)}")
        for what, value in (("authority", authority), ("tenant", tenant), ("name", name)):
            if value is not None and (len(value) > _NAME_MAX or (not value and what != "name")):
                raise StoreError(f"the {what} of a key has 1 to {_NAME_MAX} characters")
        key_id = secrets.token_hex(6)
        secret = f"{PREFIX}_{key_id}_{secrets.token_hex(32)}"
        scopes_text = ",".join(scope for scope in SCOPES if scope in wanted)
        row = (key_id, _digest(secret), authority, tenant, scopes_text, name, self._now_ns(), expires_ns)
        with self._lock:
            with self._metastore.transaction():
                self._metastore.connection.execute("INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)", row)
            self._known_at = float("-inf")
        return NewKey(key_id, secret)

    def list_keys(self) -> list[ApiKey]:
        """All keys ever made, oldest first."""
        with self._lock:
            self._load()
            return [key for _, key in self._known.values()]

    def revoke_key(self, key_id: str) -> None:
        """End a key at once. Raises StoreError if there is none of this id; revoking twice is no error."""
        with self._lock:
            with self._metastore.transaction():
                changed = self._metastore.connection.execute(
                    "UPDATE keys SET revoked_ns = coalesce(revoked_ns, ?) WHERE key_id = ?", (self._now_ns(), key_id)
                ).rowcount
                if not changed:
                    raise StoreError(f"there is no key {key_id}")
            self._known_at = float("-inf")

    def rotate_key(self, key_id: str, overlap_seconds: float = 86_400.0) -> NewKey:
        """Make a successor with the same rights; the old key goes on for the overlap, so that senders can be changed meanwhile."""
        old = next((key for key in self.list_keys() if key.key_id == key_id), None)
        if old is None or not old.is_active(self._now_ns()):
            raise StoreError(f"there is no active key {key_id}")
        new = self.create_key(old.authority, old.tenant, old.scopes, old.name, expires_ns=old.expires_ns)
        ends_ns = self._now_ns() + int(overlap_seconds * 1_000_000_000)
        with self._lock:
            with self._metastore.transaction():
                self._metastore.connection.execute(
                    "UPDATE keys SET expires_ns = min(coalesce(expires_ns, ?), ?) WHERE key_id = ?", (ends_ns, ends_ns, key_id)
                )
            self._known_at = float("-inf")
        return new

    def has_keys(self) -> bool:
        """Whether a key was ever made. Revoking the last one must not open the door to everybody, so revoked ones count."""
        with self._lock:
            self._refresh()
            return bool(self._known)

    def find_key(self, secret: str) -> Grant | None:
        """What the bearer of this key may do; None if it is no active key."""
        parts = secret.split("_", 2)
        with self._lock:
            self._refresh()
            known = self._known.get(parts[1]) if len(parts) == 3 else None
        digest, key = known or (_NO_DIGEST, None)
        same = hmac.compare_digest(digest, _digest(secret))  # also for ids that do not exist, so that time does not tell
        if not same or key is None or not key.is_active(self._now_ns()):
            return None
        return Grant(key.key_id, key.authority, key.tenant, frozenset(key.scopes))

    def _refresh(self) -> None:
        """Read the keys again if they are older than a second and the file has changed."""
        now = time.monotonic()
        if now - self._known_at < REFRESH_SECONDS:
            return
        version = int(self._metastore.connection.execute("PRAGMA data_version").fetchone()[0])
        if version != self._known_version or self._known_at == float("-inf"):
            self._load()
            self._known_version = version
        self._known_at = now

    def _load(self) -> None:
        rows = self._metastore.connection.execute(
            "SELECT secret_sha256, key_id, authority, tenant, scopes, name, created_ns, expires_ns, revoked_ns FROM keys ORDER BY rowid"
        )
        self._known = {
            key_id: (digest, ApiKey(key_id, authority, tenant, tuple(scopes.split(",")), name, *times))
            for digest, key_id, authority, tenant, scopes, name, *times in rows
        }


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
