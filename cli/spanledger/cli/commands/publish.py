"""`spanledger publish`: the ledger as a table that other engines read in place."""

from __future__ import annotations

from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


@app.callback(no_args_is_help=True)
def root() -> None:
    """Publish the ledger as a table that other engines read in place."""


@app.command()
def delta(
    data: options.Data = options.DEFAULT_DATA,
    config: options.Config = None,
    anew: Annotated[bool, typer.Option("--anew", help="Leave the Delta log there is behind, and begin another table.")] = False,
) -> None:
    """Bring the Delta table of the ledger's entries, DIR/events, to what the ledger is now.

    The table is made of the ledger's own files: nothing is copied. Spark, DuckDB, Polars, pandas and whatever else reads Delta tables
    read it; nobody else writes it. A server keeps it up by itself with `publish.delta = true`.

    [bold]Examples[/bold]

      spanledger publish delta --data ./ledger

      spanledger publish delta --anew
    """
    from spanledger.cli.publishing import publish_folder

    typer.echo(publish_folder(options.existing_data(data), config, anew=anew), err=True)
