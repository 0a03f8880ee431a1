"""`spanledger compact`: join small ledger files."""

from __future__ import annotations

import typer

from spanledger.cli import options

app = options.app()


@app.command()
def compact(data: options.Data = options.DEFAULT_DATA, config: options.Config = None) -> None:
    """Rewrite small ledger files into large ones.

    Changes no row: reports read fewer files. A running server does this by itself; running it beside one is safe.

    [bold]Example[/bold]

      spanledger compact --data ./ledger
    """
    from spanledger.cli.tidying import compact_folder

    typer.echo(compact_folder(options.existing_data(data), config), err=True)
