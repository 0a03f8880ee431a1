"""Writing to a ledger beside the process that keeps it: a lease under which one outsider commits while the keeper waits.

The keeper (a server's worker, an ingest) asks before each commit whose turn it is. Both sides are checked once more inside the
transaction of the commit itself, so that one who slept through its lease, or overlooked another's, changes nothing.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
import time
from pathlib import Path
from typing import Final, Literal

from spanledger.store.errors import LedgerBusyError, LedgerFencedError
from spanledger.store.leases import Hold, end_lease, in_force, take_lease
from spanledger.store.metastore import Metastore

LEASE: Final = "ledger"
LEASE_SECONDS: Final = 15.0
"""How long the keeper waits for an outsider that died."""
RENEW_SECONDS: Final = 3.0
"""How often an outsider that lives renews its lease."""
_ASK_SECONDS: Final = 0.1

Turn = Literal["ours", "waiting", "moved"]
"""Whether a commit can be made: yes; not while another holds the lease; not before what another has committed is taken in."""


class HeldLease:
    """A lease ("ledger", if no other is named), kept alive by a thread with a connection of its own until `release`."""

    def __init__(
        self, data_dir: Path, store: Metastore, wait_seconds: float, name: str = LEASE, doing: str = "correcting this ledger"
    ) -> None:
        """Wait for the lease up to `wait_seconds`; raises LedgerBusyError, which says what another process is `doing`."""
        self._data_dir, self._name = data_dir, name
        holder = f"{os.getpid()}-{secrets.token_hex(4)}"
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                self.hold = Hold(holder, take_lease(store, name, holder, LEASE_SECONDS))
                break
            except LedgerBusyError as error:
                if time.monotonic() >= deadline:
                    raise LedgerBusyError(f"another process is {doing} ({error}): wait until it has finished") from error
                time.sleep(_ASK_SECONDS)
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="ledger-lease", daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        store = Metastore.open(self._data_dir)
        try:
            while not self._released.wait(RENEW_SECONDS):
                try:
                    if take_lease(store, self._name, self.hold.holder, LEASE_SECONDS) != self.hold.epoch:
                        return  # it ran out and was another's meanwhile: the commit will be refused
                except LedgerBusyError:
                    return  # as above
                except sqlite3.Error:
                    continue  # a busy disk; there are some more tries in the lease's time
        finally:
            end_lease(store, self._name, self.hold.holder)
            store.close()

    def release(self) -> None:
        """Give the lease back: the keeper goes on at once."""
        self._released.set()
        self._thread.join()


def is_held(store: Metastore, *, now_ns: int | None = None) -> bool:
    """Whether some outsider holds the lease."""
    return in_force(store.connection, LEASE, now_ns) is not None


def check_turn(connection: sqlite3.Connection, hold: Hold | None) -> None:
    """Refuse a commit that is not one's turn; asked within its transaction. `hold` is an outsider's lease, None for the keeper.

    Raises LedgerBusyError (the keeper has overlooked a lease) or LedgerFencedError (an outsider's lease has run out).
    """
    held = in_force(connection, LEASE)
    if hold is None:
        if held is not None:
            raise LedgerBusyError(f"the ledger is being corrected by {held.holder}")
    elif held != hold:
        raise LedgerFencedError("the right to write beside the server has run out: nothing was booked, run it again")
