"""`spanledger ingest`: feed stored export requests through the pipeline as if they had been received."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Files or folders; - reads standard input.", show_default=False)],
    data: options.Data = options.DEFAULT_DATA,
    config: options.Config = None,
    key: Annotated[
        str | None,
        typer.Option(envvar="SPANLEDGER_KEY", metavar="SECRET", help="The API key to use when a server with keys keeps the folder."),
    ] = None,
    client_certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The client certificate (PEM) to show to such a server, if it wants one.")
    ] = None,
    client_key: Annotated[Path | None, typer.Option(metavar="FILE", help="The private key of that certificate.")] = None,
) -> None:
    """Feed stored OTLP export requests into the ledger.

    Takes raw ExportTraceServiceRequest bytes (.pb), OTLP/JSON (.json), the JSON lines of the Collector's file exporter
    (.jsonl), and gzip of each. They go the same way as received spans: pruned, journalled, read, settled, booked. The same
    spans again change nothing; further spans of the same traces put right what they must.

    If a server keeps the folder, the files are sent to it. Exits 1 if a file could not be read; the others are still taken.

    [bold]Examples[/bold]

      spanledger ingest --data ./ledger exports/

      spanledger ingest --data ./ledger traces.jsonl.gz 0001.traces.pb

      zcat traces.jsonl.gz | spanledger ingest --data ./ledger -
    """
    from spanledger.cli.ingesting import ingest_paths
    from spanledger.cli.reaching import Credentials

    raise typer.Exit(ingest_paths(data, config, paths, Credentials(key, client_certificate, client_key)))
