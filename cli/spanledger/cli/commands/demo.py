"""`spanledger demo`: see all of it work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


@app.command()
def demo(
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Keep the ledger here; without it a temporary folder is used.", show_default=False),
    ] = None,
) -> None:
    """See it work: server, SDK workload and report in seconds.

    Starts a server on free loopback ports, sends the spans of a small multi-tenant agent workload through the real OpenTelemetry
    SDK over gRPC and HTTP, waits until they are settled, and prints the tenant report, the model report and one explanation.
    Nothing leaves this machine and no provider is called.

    [bold]Examples[/bold]

      spanledger demo

      spanledger demo --data ./demo-ledger && spanledger doctor --data ./demo-ledger
    """
    import os

    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # the C core writes lines of its own, which are no log lines of ours
    from spanledger.cli.demo import run_demo

    run_demo(data)
