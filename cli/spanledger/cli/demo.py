"""`demo`: the whole way from the OpenTelemetry SDK to a report, on this machine, in seconds."""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spanledger.cli.config import Config
from spanledger.cli.errors import UserError
from spanledger.cli.explain import explain_to
from spanledger.cli.folder import DataFolder
from spanledger.cli.log import LogFormat, start_logging
from spanledger.cli.options import Format
from spanledger.cli.reports import print_table
from spanledger.cli.server import Running, serving
from spanledger.cli.workload import Told, play
from spanledger.store.ledger import Ledger
from spanledger.store.reports import report

_SETTLE_SECONDS_MAX = 15.0
_SETTINGS = {
    "receiver": {"grpc": "127.0.0.1:0", "http": "127.0.0.1:0"},
    "enrich": {"settle": {"quiet_seconds": 0.2, "hold_seconds": 0.5, "payer_wait_seconds": 1.0, "aggregate_wait_seconds": 0.5}},
    "worker": {"batch_seconds": 0.2},
}
"""Free ports, and no waiting for spans that the demo knows will not come."""


def run_demo(data: Path | None) -> None:
    """Run the demo in `data`, or in a temporary folder that is removed at the end."""
    start_logging(LogFormat.text, "demo", logging.WARNING)
    logging.getLogger("spanledger").setLevel(logging.ERROR)
    with _folder(data) as path:
        folder = DataFolder(path)
        _say(f"Starting a server on {path} …")
        with serving(folder, Config.model_validate(_SETTINGS)) as running:
            info = running.info
            _say(f"Sending a workload with the OpenTelemetry SDK: gRPC to {info.grpc}, HTTP to {info.http} …")
            told = play(info.grpc or "", info.http or "")
            _wait_until_settled(running)
        _say(f"{told.spans} spans sent; {sum(told.calls.values())} of them are provider calls, for {_tenants(told)}.\n")
        _print_results(path, told)
        if data is not None:
            _say(f"\nThe ledger stays in {path}: try `spanledger doctor --data {path}` or `spanledger events --data {path}`.")


@contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    if data is not None:
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="spanledger-demo-") as path:
        yield Path(path) / "ledger"


def _wait_until_settled(running: Running) -> None:
    """Until the worker has settled everything the journal holds."""
    deadline = time.monotonic() + _SETTLE_SECONDS_MAX
    while running.supervisor.stats.open_position < running.journal.position:
        if time.monotonic() > deadline:
            raise UserError("the demo's spans were not settled in time; is this machine very busy? Try again")
        time.sleep(0.05)


def _tenants(told: Told) -> str:
    named = [tenant for tenant in told.calls if tenant is not None]
    return f"{len(named)} tenants, and {told.calls.get(None, 0)} without one"


def _print_results(path: Path, told: Told) -> None:
    with Ledger.open(path, read_only=True) as ledger:
        tenants, models = report(ledger, ("tenant",)), report(ledger, ("provider", "model"))
    _say("$ spanledger report")
    print_table(tenants, None, Format.table)
    _say("$ spanledger report --by provider,model")
    print_table(models, None, Format.table)
    _say(f"$ spanledger explain {told.explain_span}")
    explain_to(path, told.explain_span, "text")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
