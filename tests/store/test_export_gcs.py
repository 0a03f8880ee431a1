"""An export to Google Cloud Storage, against a stand-in of its interface on loopback, holds what a folder gets."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanledger.store.export.every import SHAPES
from spanledger.store.export.export import Request, export
from spanledger.store.export.targets import FolderTarget, target_of
from spanledger.store.ledger import Ledger
from tests.store.samples import DAY_NS, NOON, event

_WAIT_SECONDS = 60.0


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[str]:
    """The address of a prefix of a bucket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("gcp-storage-emulator")
    asked = [program, "start", "--host=127.0.0.1", f"--port={port}", "--in-memory", "--default-bucket=finance"]
    running = subprocess.Popen(asked, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "the stand-in did not come up"
                time.sleep(0.1)
        yield f"gs://anonymous@finance/ledger?endpoint_override=127.0.0.1:{port}&scheme=http&retry_limit_seconds=20"
    finally:
        running.terminate()
        running.wait()


def test_a_bucket_gets_what_a_folder_gets(bucket: str, tmp_path: Path) -> None:
    there, here = target_of(bucket), FolderTarget(tmp_path / "out")
    request = Request(SHAPES["lines"], "parquet", since_last=True)
    with Ledger.open(tmp_path / "data") as ledger:
        for number, some in enumerate(([event(1), event(2, start_ns=NOON + DAY_NS, end_ns=NOON + DAY_NS + 1)], [event(3)]), 1):
            ledger.commit(some, [], position=number, open_position=0, booked_ns=NOON)
            for target in (there, here):
                assert export(ledger, target, request, now_text="now").rows == 2 * len(some)
    for folder in ("lines/_spanledger", "lines/event_date=2026-11-21", "lines/event_date=2026-11-22"):
        names = here.names(folder)
        assert names
        assert there.names(folder) == names
        assert [there.read(f"{folder}/{name}") for name in names] == [here.read(f"{folder}/{name}") for name in names]
    assert there.read("lines/nothing") is None
    there.remove("lines/nothing")
