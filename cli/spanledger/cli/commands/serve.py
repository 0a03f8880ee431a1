"""`spanledger serve`: receive spans and keep the ledger."""

from __future__ import annotations

from typing import Annotated

import typer

from spanledger.cli import options
from spanledger.cli.log import LogFormat

app = options.app()


@app.command()
def serve(
    data: options.Data = options.DEFAULT_DATA,
    config: options.Config = None,
    grpc: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Where to listen for OTLP/gRPC; port 0 picks a free one.")] = None,
    http: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Where to listen for OTLP/HTTP; port 0 picks a free one.")] = None,
    log_format: Annotated[LogFormat, typer.Option(help="How log lines on stderr are written.")] = LogFormat.text,
) -> None:
    """Receive spans over OTLP and keep the ledger.

    Listens for OTLP/gRPC on port 4317 and OTLP/HTTP on port 4318 and answers OK only when the spans are safe on disk. Prompts
    and answers are removed before anything is stored. Without API keys (see `spanledger keys`) it listens on loopback only.

    A graceful stop (Ctrl-C, SIGTERM) refuses new spans, brings what was accepted into the ledger and leaves; after a crash
    the next start goes on where this one stood.

    [bold]Examples[/bold]

      spanledger serve

      spanledger serve --data /var/lib/spanledger --config spanledger.toml --log-format json

      OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 python my_app.py
    """
    import os

    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # the C core writes lines of its own, which are no log lines of ours
    from spanledger.cli.serving import serve_until_told

    serve_until_told(data, config, grpc, http, log_format)
