"""Runs committed beside a real server while exporters send to it: nothing lost, nothing doubled, and the server goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from spanledger.cli.workload import play
from spanledger.store.crash import ENVIRONMENT
from spanledger.store.metastore import Metastore
from tests.cli.otlp import CHAT_USD, as_protobuf, chat, span
from tests.cli.runner import events, server
from tests.cli.test_server import post

ROOT = Path(__file__).parents[2]
BOOKS = """
import sys, time
from pathlib import Path
from spanledger.store.ledger import Ledger
from spanledger.store.runs import run_of
from tests.store.samples import NOON, event

first = int(sys.argv[2])
with Ledger.open_beside(Path(sys.argv[1])) as ledger:
    time.sleep(0.5)  # some work, while the server's worker would like to commit
    ledger.commit_outside(
        [event(number, tenant_id="outside") for number in range(first, first + 100)], run=run_of("reprice", {"n": first}), booked_ns=NOON
    )
"""


def book(data: Path, first: int, crash_at: str = "") -> int:
    """Book 100 charges beside the server."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), ENVIRONMENT: crash_at}
    return subprocess.run([sys.executable, "-c", BOOKS, str(data), str(first)], env=environment, timeout=60, check=False).returncode


def test_runs_beside_a_server_under_real_exporters(tmp_path: Path) -> None:
    data = tmp_path / "data"
    told: Counter[str | None] = Counter()
    with server(data) as running:

        def work() -> None:
            for _ in range(3):
                told.update(play(running.grpc, running.http, sessions=3).calls)

        assert post(running.http, as_protobuf(chat(90, 2, None, parent=1))) == 200  # waits for its root across the runs
        sender = threading.Thread(target=work)
        sender.start()
        assert [book(data, first) for first in (1000, 2000, 3000)] == [0, 0, 0]
        sender.join()
        assert post(running.http, as_protobuf(span(90, 1, {"tenant.id": "latecomer"}))) == 200
        assert running.stop() == 0
        assert "another process has corrected the ledger" in running.log.read_text()
    assert Counter(event["tenant_id"] for event in events(data)) == told + Counter({"outside": 300, "latecomer": 1})
    entries = events(data, "--all")
    assert [entry["entry_number"] for entry in entries] == list(range(1, len(entries) + 1))


@pytest.mark.parametrize("point", ["parquet_renamed", "metastore_written", "metastore_committed"])
def test_a_run_killed_beside_a_server_is_whole_or_nothing_and_holds_up_nobody(tmp_path: Path, point: str) -> None:
    data = tmp_path / "data"
    with server(data) as running:
        assert post(running.http, as_protobuf(chat(1, 1))) == 200
        running.wait_for(data, 1)
        assert book(data, 1000, crash_at=point) == -signal.SIGKILL
        assert post(running.http, as_protobuf(chat(2, 2))) == 200, "what comes is acknowledged while the worker waits"
        with closing(Metastore.open(data)) as store:
            store.connection.execute("UPDATE leases SET expires_ns = 0 WHERE name = 'ledger'")  # as if the dead one's had run out
        booked = 100 if point == "metastore_committed" else 0
        found = running.wait_for(data, 2 + booked)
        assert [event["cost_usd"] for event in found if event["tenant_id"] == "acme"] == [CHAT_USD, CHAT_USD]
        assert book(data, 2000) == 0
        running.wait_for(data, 102 + booked)
        assert running.stop() == 0
