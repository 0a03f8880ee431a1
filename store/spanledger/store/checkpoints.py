"""Signed checkpoints: what the log was at a time, in a few lines that are kept where nobody who can change the ledger can change them.

The form is C2SP's: a checkpoint (c2sp.org/tlog-checkpoint) in a signed note (c2sp.org/signed-note), Ed25519. Without one kept elsewhere,
cutting off the end of a ledger, or writing all of it anew, cannot be told from a ledger that never was longer or other.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from spanledger.store import merkle
from spanledger.store.chain import Head
from spanledger.store.errors import ChainError
from spanledger.store.syncing import sync_folder, write_private
from spanledger.store.times import rfc3339

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FOLDER: Final = "checkpoints"
KEY_NAME: Final = "checkpoint.key"
_ORIGIN: Final = "spanledger/"
_ED25519: Final = b"\x01"
_NAME: Final = re.compile(r"[^\s+]+")
_NOTE_MAX: Final = 65_536


class Checkpoint(NamedTuple):
    """What a note says, its signature checked: the log of `ledger` had `size` records with this root. `facts` are its further lines.

    `key` is the verifier key that it was checked with; `is_trusted` says that it was given, and not only found in the note.
    """

    ledger: str
    size: int
    root: bytes
    facts: Mapping[str, str]
    key: str
    is_trusted: bool
    note: str


def load_key(path: Path, *, create: bool = False) -> Ed25519PrivateKey:
    """The signing key of a PEM file, made on first use if `create`. Raises ChainError if it is none."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if create and not path.exists():
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        write_private(path, pem)
        return key
    try:
        found = serialization.load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise ChainError(f"{path} is no private key in PEM form without a passphrase") from error
    if not isinstance(found, Ed25519PrivateKey):
        raise ChainError(f"{path} is no Ed25519 key")
    return found


def verifier_key(name: str, key: Ed25519PrivateKey) -> str:
    """The public half as C2SP writes it: name+id+base64. Give it to those who check."""
    from cryptography.hazmat.primitives import serialization

    public = _ED25519 + key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return f"{name}+{_key_id(name, public).hex()}+{base64.b64encode(public).decode()}"


def _key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]


def make_note(head: Head, key: Ed25519PrivateKey, entries: int, now_ns: int, more: Mapping[str, str] = MappingProxyType({})) -> str:
    """A signed checkpoint of the log as it ends now; `more` are further lines, by their first word."""
    name = _ORIGIN + head.ledger
    vkey = verifier_key(name, key)
    lines = [name, str(head.size), base64.b64encode(head.frontier.root).decode()]
    lines += [f"commit {head.commit}", f"entries {entries}", f"time {rfc3339(now_ns)}"]
    lines += [*(f"{word} {said}" for word, said in more.items()), f"key {vkey}"]
    text = "\n".join(lines) + "\n"
    signature = bytes.fromhex(vkey.split("+")[1]) + key.sign(text.encode())
    return f"{text}\n— {name} {base64.b64encode(signature).decode()}\n"


def read_note(note: str, trusted_key: str | None = None) -> Checkpoint:
    """A checkpoint from its note, with its signature checked by the key given, or else by the one it names. Raises ChainError."""
    text, blank, signatures = note.rpartition("\n\n")
    lines = text.split("\n")
    if not blank or len(lines) < 3 or len(note) > _NOTE_MAX:
        raise ChainError("this is no signed checkpoint")
    origin, size, root = lines[:3]
    facts = dict(line.split(" ", 1) for line in lines[3:] if " " in line)
    key = trusted_key or facts.get("key", "")
    _check_signature(f"{text}\n", signatures, key.strip())
    try:
        found = Checkpoint(
            origin.removeprefix(_ORIGIN),
            int(size),
            base64.b64decode(root, validate=True),
            facts,
            key.strip(),
            trusted_key is not None,
            note,
        )
    except (ValueError, binascii.Error) as error:
        raise ChainError("this is no checkpoint of spanledger") from error
    if not origin.startswith(_ORIGIN) or size != str(found.size) or found.size < 1 or len(found.root) != merkle.HASH_BYTES:
        raise ChainError("this is no checkpoint of spanledger")
    return found


def _check_signature(text: str, signatures: str, vkey: str) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        name, key_id, encoded = vkey.split("+", 2)
        public = base64.b64decode(encoded, validate=True)
        key = Ed25519PublicKey.from_public_bytes(public.removeprefix(_ED25519))
    except ValueError as error:
        raise ChainError("this is no verifier key (name+id+base64)") from error
    if not _NAME.fullmatch(name) or len(public) != 33 or public[:1] != _ED25519 or _key_id(name, public).hex() != key_id:
        raise ChainError("this is no verifier key (name+id+base64)")
    for line in signatures.splitlines():
        try:
            dash, signer, data = line.split(" ")
            signature = base64.b64decode(data, validate=True)
        except ValueError:
            continue
        if dash == "—" and signer == name and signature[:4].hex() == key_id:
            try:
                key.verify(signature[4:], text.encode())
            except InvalidSignature as error:
                raise ChainError("the checkpoint's signature is wrong: the text was changed, or another key signed it") from error
            return
    raise ChainError(f"the checkpoint has no signature of the key {name}+{key_id}")


def keep(data_dir: Path, size: int, note: str) -> Path:
    """Keep a checkpoint in the data folder too; returns where."""
    folder = data_dir / FOLDER
    if not folder.is_dir():
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(data_dir)
    path = folder / f"{size:012d}.txt"
    if not path.exists():
        write_private(path, note.encode())
    return path


def kept(data_dir: Path) -> list[Path]:
    """The checkpoints kept in the data folder, oldest first."""
    return sorted((data_dir / FOLDER).glob("[0-9]*.txt"))
