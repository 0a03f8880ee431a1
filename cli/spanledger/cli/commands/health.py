"""`spanledger health`: whether the server that keeps a folder takes requests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


@app.command()
def health(
    data: options.Data = options.DEFAULT_DATA,
    live: Annotated[
        bool, typer.Option("--live", help="Ask only whether it answers at all (/healthz), not whether it takes requests.")
    ] = False,
    client_certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The client certificate (PEM) to show to the server, if it wants one.")
    ] = None,
    client_key: Annotated[Path | None, typer.Option(metavar="FILE", help="The private key of that certificate.")] = None,
) -> None:
    """Ask the server that keeps a folder whether it takes requests.

    Exit code 0: it does. 1: there is none, or it does not (a full disk, stopping). For the health check of a container, or a script: it
    finds the server by its data folder, whatever its port, and knows it by its own certificate. Needs no API key.

    [bold]Examples[/bold]

      spanledger health --data /var/lib/spanledger

      spanledger health --live
    """
    from spanledger.cli.health import check_health
    from spanledger.cli.reaching import Credentials

    where = check_health(data, Credentials(None, client_certificate, client_key), live=live)
    typer.echo(f"{'alive' if live else 'ready'} at {where}")
