"""`spanledger prices`: look into the price catalog."""

from __future__ import annotations

from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()

At = Annotated[
    str | None, typer.Option("--at", metavar="DATE", help="The rates in force then (`ever` for all); by default now.", show_default=False)
]
Provider = Annotated[str | None, typer.Option(metavar="NAME", help="Only this provider, by its OpenTelemetry name.", show_default=False)]


@app.callback(no_args_is_help=True)
def root() -> None:
    """Look into the price catalog: dated, published list prices that ship with spanledger; nothing is fetched."""


@app.command("list")
def list_(
    search: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="Only models whose name contains this.", show_default=False)
    ] = None,
    provider: Provider = None,
    output: options.Output = options.Format.table,
) -> None:
    """List the models that have prices.

    [bold]Examples[/bold]

      spanledger prices list

      spanledger prices list sonnet --provider anthropic
    """
    from spanledger.cli.pricelist import model_rows
    from spanledger.cli.render import write_rows

    columns, rows = model_rows(search, provider)
    write_rows(columns, rows, output)


@app.command()
def show(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model as an application would name it.")],
    provider: Provider = None,
    at: At = None,
    output: options.Output = options.Format.table,
) -> None:
    """Show every rate of a model: unit, amount, conditions, dates and source.

    [bold]Examples[/bold]

      spanledger prices show gpt-5

      spanledger prices show claude-sonnet-4-5 --provider anthropic --at 2025-10-01
    """
    from spanledger.cli.pricelist import RATE_OPTIONAL, rate_rows
    from spanledger.cli.render import write_rows

    columns, rows = rate_rows(model, provider, at)
    write_rows(columns, rows, output, optional=RATE_OPTIONAL)
