"""Makes signed checkpoints and carries them out of the data folder: on command, and now and then beside the worker of a server."""

from __future__ import annotations

import logging
import os
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from spanledger.cli.archive_anchor import archive_line
from spanledger.cli.errors import UserError
from spanledger.cli.log import fault
from spanledger.receiver.config import is_loopback_host
from spanledger.store.admin_log import admin_line
from spanledger.store.chain import Head, read_head
from spanledger.store.checkpoints import KEY_NAME, keep, kept, load_key, make_note, read_note, verifier_key
from spanledger.store.config import ProofConfig
from spanledger.store.errors import ChainError
from spanledger.store.log_tree import LogTree
from spanledger.store.metastore import Metastore

_log = logging.getLogger(__name__)
_POST_SECONDS = 10.0


class Signed(NamedTuple):
    """A checkpoint that was made: its text, where the folder keeps it, and the public key it can be checked with."""

    note: str
    path: Path
    verifier_key: str
    size: int


def sign_checkpoint(data: Path, key_file: Path | None, now_ns: int) -> Signed:
    """Sign what the ledger is now. Raises ChainError if its chain is not the one that earlier checkpoints were made of."""
    with closing(Metastore.open(data, read_only=True)) as store:
        connection = store.connection
        connection.execute("BEGIN")  # one moment of it
        head = read_head(connection)
        if head is None:
            raise ChainError("this ledger has no hash chain yet: it gets one when it is next written to")
        _check_past(data, store, head)
        entries = store.last_commit().entries_total
        more = admin_line(connection)
    more |= archive_line(data)
    key = load_key(key_file or data / KEY_NAME, create=key_file is None)
    note = make_note(head, key, entries, now_ns, more)
    path = keep(data, head.size, note)
    return Signed(note, path, verifier_key(f"spanledger/{head.ledger}", key), head.size)


def _check_past(data: Path, store: Metastore, head: Head) -> None:
    """Nothing is signed that contradicts what was signed before: the chain's files must lead to the head, over the last checkpoint."""
    if LogTree(data, store.connection, head.size).root != head.frontier.root:
        raise ChainError("the files of the chain do not lead to its head; run `spanledger verify`")
    for path in kept(data)[-1:]:
        last = read_note(path.read_text("utf-8"))
        if last.size > head.size or LogTree(data, store.connection, last.size).root != last.root:
            raise ChainError(f"the chain is not the one that {path.name} was made of; run `spanledger verify`")


def deliver(signed: Signed, target: str) -> str:
    """Bring a checkpoint to a file, into a folder, or to a URL; says where it went. Raises UserError."""
    if "://" in target:
        _post(signed.note, target)
        return target
    path = Path(target)
    path = path / signed.path.name if path.is_dir() else path
    if not path.parent.is_dir():
        raise UserError(f"there is no folder {path.parent} to bring the checkpoint to")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with unfinished.open("w", encoding="utf-8") as file:
        file.write(signed.note)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    return str(path)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A checkpoint goes where it was sent, and nowhere else."""

    def redirect_request(self, *_told: Any) -> None:
        """Follow none."""
        return


def _post(note: str, url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    if not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback_host(parts.hostname or ""))):
        raise UserError("checkpoints are posted over https (http only to this machine)")
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked above
        url, note.encode(), {"Content-Type": "text/plain; charset=utf-8", "User-Agent": "spanledger"}, method="POST"
    )
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=_POST_SECONDS):
            return
    except (OSError, ValueError, urllib.error.URLError) as error:
        raise UserError(f"the checkpoint could not be posted to {parts.scheme}://{parts.netloc.rpartition('@')[2]}: {error}") from error


class Notary:
    """A thread that signs a checkpoint at intervals. Nothing depends on it, so a failure is told and put off."""

    def __init__(self, data: Path, config: ProofConfig) -> None:
        self._data, self._config = data, config
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notary", daemon=True)

    def start(self) -> None:
        """Begin, after a first wait; not at all where checkpoints are off."""
        if self._config.checkpoint_every_seconds:
            self._thread.start()

    def stop(self) -> None:
        """End after the checkpoint that is being made."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(_POST_SECONDS)

    def _run(self) -> None:
        waiting: Signed | None = None
        while not self._stopped.wait(self._config.checkpoint_every_seconds):
            try:
                waiting = self._sign() or waiting
                if waiting is not None:
                    self._deliver(waiting)
                waiting = None
            except Exception as error:  # noqa: BLE001 - whatever it was, the ledger must go on
                _log.warning("a checkpoint was put off: %s", fault(error))

    def _sign(self) -> Signed | None:
        """A new checkpoint, or None if nothing was booked since the last."""
        with closing(Metastore.open(self._data, read_only=True)) as store:
            head = read_head(store.connection)
        newest = kept(self._data)[-1:]
        if head is None or (newest and newest[0].stem == f"{head.size:012d}"):
            return None
        signed = sign_checkpoint(self._data, Path(self._config.key_file) if self._config.key_file else None, time.time_ns())
        _log.info("signed a checkpoint of %d records", signed.size)
        return signed

    def _deliver(self, signed: Signed) -> None:
        for target in (self._config.checkpoint_file, self._config.checkpoint_url):
            if target is not None:
                deliver(signed, target)
