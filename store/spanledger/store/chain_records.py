"""A record of the hash chain as a line of text, and its hashes. A line is two JSON texts with a tab between them; hashes are over the
exact bytes of a text, so that nobody has to write JSON the way we do.

The first text, the *core*, is what a payer is shown in a proof; it says nothing of others. The second, the *details*, has the sums and
places of the whole commit; the core holds its hash, and a random salt in it keeps the hash from being guessed at.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from spanledger.store import merkle
from spanledger.store.admin_log import LogHead
from spanledger.store.errors import ChainError
from spanledger.store.metastore import Commit
from spanledger.store.seal import Sealed

FORMAT: Final = 1
NO_RECORD: Final = bytes(32)
"""What the first record names as the one before it."""
_DOMAIN: Final = b"spanledger chain v1\n"
_CORE_KEYS: Final = {"v", "ledger", "seq", "kind", "row_version", "batch", "details", "prev"}


class Core(NamedTuple):
    """The part of a record that proofs show. `kind` is start (all entries from before the chain, often none) or commit."""

    ledger: str
    seq: int
    kind: str
    row_version: int
    batch: bytes
    details: bytes
    prev: bytes


class Details(NamedTuple):
    """The part of a record that stays with the ledger: the commit as the metastore has it, sums in atto-USD, and how far the log of
    administrative changes went (None: there was none yet).
    """

    commit: Commit
    payers: int
    sums: Mapping[str, int]
    catalogs: tuple[str, ...]
    admin: LogHead | None


class ChainRecord(NamedTuple):
    """A record with the exact bytes of both its texts."""

    core: Core
    core_bytes: bytes
    details: Details
    details_bytes: bytes

    @property
    def line(self) -> bytes:
        """The record as it stands in a chain file."""
        return self.core_bytes + b"\t" + self.details_bytes + b"\n"

    @property
    def chain_hash(self) -> bytes:
        """What the next record names as the one before it."""
        return chain_hash(self.core_bytes)

    @property
    def leaf(self) -> bytes:
        """The record's hash as a leaf of the log's tree."""
        return merkle.leaf_hash(self.core_bytes)


def chain_hash(core_bytes: bytes) -> bytes:
    """SHA-256("spanledger chain v1" ‖ LF ‖ core)."""
    return hashlib.sha256(_DOMAIN + core_bytes).digest()


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def make_record(ledger: str, seq: int, kind: str, commit: Commit, sealed: Sealed, prev: bytes, admin: LogHead) -> ChainRecord:
    """The record of a commit, or of all commits up to this one."""
    details = {
        "salt": secrets.token_hex(16),
        **commit._replace(event_rows=sealed.rows)._asdict(),
        "payers": sealed.payers,
        "sums": {name: str(value) for name, value in sealed.sums.items()},
        "catalogs": [*sealed.catalogs],
        "admin": {"size": admin.size, "hash": admin.hash.hex()},
    }
    details_bytes = _json(details)
    core = {
        "v": FORMAT,
        "ledger": ledger,
        "seq": seq,
        "kind": kind,
        "row_version": sealed.row_version,
        "batch": sealed.root.hex(),
        "details": hashlib.sha256(details_bytes).hexdigest(),
        "prev": prev.hex(),
    }
    core_bytes = _json(core)
    return ChainRecord(parse_core(core_bytes), core_bytes, parse_details(details_bytes), details_bytes)


def parse_core(data: bytes) -> Core:
    """The first text of a line. Raises ChainError."""
    try:
        said = json.loads(data)
        if not isinstance(said, dict) or said.keys() != _CORE_KEYS:
            raise ChainError("not a record of the chain")
        if said["v"] != FORMAT:
            raise ChainError(f"a record of format {said['v']}, which this version of spanledger does not know")
        numbers = (said["seq"], said["row_version"])
        hashes = [bytes.fromhex(said[name]) for name in ("batch", "details", "prev")]
        if not all(type(number) is int for number in numbers) or any(len(each) != merkle.HASH_BYTES for each in hashes):
            raise ChainError("a record of the chain is damaged")
        return Core(str(said["ledger"]), said["seq"], str(said["kind"]), said["row_version"], *hashes)
    except (ValueError, TypeError, RecursionError) as error:
        raise ChainError("a record of the chain is damaged") from error


def parse_details(data: bytes) -> Details:
    """The second text of a line. Raises ChainError."""
    try:
        said = json.loads(data)
        commit = Commit(*(said[name] for name in Commit._fields))
        if not all(type(value) is int for value in (*commit, said["payers"])):
            raise ChainError("the details of a record are damaged")
        admin = said.get("admin")
        log = None if admin is None else LogHead(int(admin["size"]), bytes.fromhex(admin["hash"]))
        sums = {str(name): int(value) for name, value in said["sums"].items()}
        return Details(commit, said["payers"], sums, tuple(map(str, said["catalogs"])), log)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ChainError("the details of a record are damaged") from error


def parse_line(line: bytes) -> ChainRecord:
    """A line of a chain file, with its details held against the core. Raises ChainError."""
    core_bytes, tab, details_bytes = line.removesuffix(b"\n").partition(b"\t")
    if not tab or not line.endswith(b"\n"):
        raise ChainError("a record of the chain is damaged or cut off")
    core = parse_core(core_bytes)
    if hashlib.sha256(details_bytes).digest() != core.details:
        raise ChainError("the details of a record are not those its core names")
    return ChainRecord(core, core_bytes, parse_details(details_bytes), details_bytes)
