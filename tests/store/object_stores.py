"""What every object store must do with an export: hold what a folder gets, byte for byte; and how a stand-in of one is run."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from spanledger.store.export.every import SHAPES
from spanledger.store.export.export import Request, export
from spanledger.store.export.targets import FolderTarget, target_of
from spanledger.store.ledger import Ledger
from tests.store.samples import DAY_NS, NOON, event

_WAIT_SECONDS = 60.0
FOLDERS = ("lines/_spanledger", "lines/event_date=2026-11-21", "lines/event_date=2026-11-22")


@contextmanager
def running(command: Sequence[str | Path], port: int, folder: Path) -> Iterator[None]:
    """A program that works in this folder and listens on this port, from when it does until the end of the block."""
    started = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, f"{command[0]} did not come up"
                time.sleep(0.1)
        yield
    finally:
        started.terminate()
        started.wait()


def gets_what_a_folder_gets(where: str, scratch: Path) -> None:
    """Export a ledger that grows to an address and to a folder, and compare what each then holds."""
    there, here = target_of(where), FolderTarget(scratch / "out")
    request = Request(SHAPES["lines"], "parquet", since_last=True)
    with Ledger.open(scratch / "data") as ledger:
        for number, some in enumerate(([event(1), event(2, start_ns=NOON + DAY_NS, end_ns=NOON + DAY_NS + 1)], [event(3)]), 1):
            ledger.commit(some, [], position=number, open_position=0, booked_ns=NOON)
            for target in (there, here):
                assert export(ledger, target, request, now_text="now").rows == 2 * len(some)
    for folder in FOLDERS:
        names = here.names(folder)
        assert names
        assert there.names(folder) == names
        assert [there.read(f"{folder}/{name}") for name in names] == [here.read(f"{folder}/{name}") for name in names]
    assert len(there.names(FOLDERS[0])) == 2, "a manifest for each time"
    assert there.read("lines/nothing") is None
    there.remove("lines/nothing")
