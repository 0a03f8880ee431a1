"""`spanledger runs`: the re-pricings and replays that were booked."""

from __future__ import annotations

from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


@app.callback()
def runs() -> None:
    """The re-pricings and replays that were booked: who, when, why, and what they add up to."""


@app.command("list")
def list_runs(data: options.Data = options.DEFAULT_DATA, output: options.Output = options.Format.table) -> None:
    """List runs, the latest first.

    [bold]Example[/bold]

      spanledger runs list
    """
    from spanledger.cli.run_list import print_runs

    print_runs(options.existing_data(data), output)


@app.command("show")
def show_run(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The id of a run, or how it begins.", show_default=False)],
    data: options.Data = options.DEFAULT_DATA,
    output: options.Output = options.Format.table,
) -> None:
    """Show a run: its inputs, and its entries by tenant and model.

    [bold]Example[/bold]

      spanledger runs show rp1-0123456789abcdef
    """
    from spanledger.cli.run_list import print_run

    print_run(options.existing_data(data), run, output)
