"""`spanledger doctor`: what was not metered, priced or attributed, and what to do about it."""

from __future__ import annotations

from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


@app.command()
def doctor(
    data: options.Data = options.DEFAULT_DATA,
    since: options.Since = None,
    until: options.Until = None,
    as_of: options.AsOf = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            metavar="FINDING,…",
            help="Exit 3 if there is any of these: unmetered, unpriced, unattributed, quarantined, estimated, …",
            show_default=False,
        ),
    ] = None,
    output: options.Output = options.Format.table,
) -> None:
    """What was not metered, priced or attributed, and the fix.

    Goes through the ledger and names everything that keeps the bill from being complete: how many calls, an example to `explain`,
    and what to do. With --fail-on it is a check for your CI.

    [bold]Examples[/bold]

      spanledger doctor

      spanledger doctor --since 24h --fail-on unattributed,unpriced
    """
    from spanledger.cli.doctor import examine

    raise typer.Exit(examine(options.existing_data(data), since, until, fail_on, output, as_of=as_of))
