"""`spanledger commitments`: committed use, period by period."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()
Commit = Annotated[bool, typer.Option("--commit/--dry-run", help="Book it, or only show it.")]


@app.callback(no_args_is_help=True)
def root() -> None:
    """Committed use: what contracts promise in each period, what was used of it, and what is owed.

    A contract's commitment (see `docs/catalog.md`) changes no call's price. What is short of it when a period is over, or what use
    beyond it costs more, is booked as an entry of its own: with the contract's payer, or without one, to be spread by `report --allot`.
    """


@app.command("list")
def list_(
    data: options.Data = options.DEFAULT_DATA,
    period: Annotated[
        str | None, typer.Option(metavar="PERIOD", help="Only this one: 2026-10, 2026-Q4, 2026 or contract.", show_default=False)
    ] = None,
    output: options.Output = options.Format.table,
) -> None:
    """Show every commitment's periods: committed, used, what is left or short, and where it ends at today's rate.

    [bold]Examples[/bold]

      spanledger commitments list

      spanledger commitments list --period 2026-10 --format json
    """
    from spanledger.cli.committing import print_commitments

    print_commitments(options.existing_data(data), period, output, time.time_ns())


@app.command()
def book(
    period: Annotated[str, typer.Argument(metavar="PERIOD", help="A period that is over: 2026-10, 2026-Q3, 2026 or contract.")],
    data: options.Data = options.DEFAULT_DATA,
    commit: Commit = False,
    yes: options.Yes = False,
    reason: options.Reason = None,
    actor: options.Actor = None,
    config: options.Config = None,
    output: options.Output = options.Format.table,
) -> None:
    """Book what a period's commitments owe: the shortfall, or the dearer use beyond.

    Done again after late calls or corrections, it books the difference; where nothing has changed, nothing.

    [bold]Example[/bold]

      spanledger commitments book 2026-10 --commit --yes
    """
    from spanledger.cli.committing import Doing, book_period
    from spanledger.cli.person import person

    doing = Doing(commit, yes, reason, person(actor))
    raise typer.Exit(book_period(options.existing_data(data), config, period, doing, output, time.time_ns()))


@app.command()
def undo(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The id of a run, or how it begins.")],
    data: options.Data = options.DEFAULT_DATA,
    commit: Commit = False,
    yes: options.Yes = False,
    reason: options.Reason = None,
    actor: options.Actor = None,
    config: options.Config = None,
    output: options.Output = options.Format.table,
) -> None:
    """Take back what a run of `commitments book` booked.

    [bold]Example[/bold]

      spanledger commitments undo cm1-0123456789abcdef --commit
    """
    from spanledger.cli.committing import Doing, undo_run
    from spanledger.cli.person import person

    doing = Doing(commit, yes, reason, person(actor))
    raise typer.Exit(undo_run(options.existing_data(data), config, run, doing, output))
