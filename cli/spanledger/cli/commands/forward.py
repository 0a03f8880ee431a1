"""`spanledger forward`: how far costs have been sent on as OTLP, and sending them again."""

from __future__ import annotations

from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


@app.callback(no_args_is_help=True)
def forward() -> None:
    """Costs sent on as OTLP logs and metrics: how far, and from where again."""


@app.command()
def status(data: options.Data = options.DEFAULT_DATA, output: options.Output = options.Format.table) -> None:
    """Show how far the ledger has been sent on, and what is in the way.

    [bold]Example[/bold]

      spanledger forward status
    """
    from spanledger.cli.forward_status import print_status

    print_status(options.existing_data(data), output)


@app.command()
def reset(
    to: Annotated[str, typer.Option(metavar="WHERE", help="beginning, now, or the number of the entry that is sent next.")],
    data: options.Data = options.DEFAULT_DATA,
) -> None:
    """Send on from another place, with metrics that begin at zero again.

    A running server goes on from there. What was sent before and comes again has the same record ids.

    [bold]Examples[/bold]

      spanledger forward reset --to beginning

      spanledger forward reset --to now
    """
    from spanledger.cli.forward_status import start_again

    state = start_again(options.existing_data(data), to)
    typer.echo(f"the next entry that is sent on is number {state.entry_number + 1}", err=True)
