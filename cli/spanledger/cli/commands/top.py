"""`spanledger top`: the heaviest tenants of a window."""

from __future__ import annotations

from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


@app.command()
def top(
    data: options.Data = options.DEFAULT_DATA,
    by: Annotated[str, typer.Option(metavar="COLUMN,…", help="What to rank; the same names as in report.")] = "tenant",
    since: options.Since = "15m",
    until: options.Until = None,
    as_of: options.AsOf = None,
    limit: options.Limit = 10,
    output: options.Output = options.Format.table,
) -> None:
    """The heaviest tenants (or users, models, …) of a window.

    By default of the last 15 minutes, by cost, then by tokens.

    [bold]Examples[/bold]

      spanledger top

      spanledger top --by tenant,agent --since 24h --limit 20
    """
    from spanledger.cli.reports import print_top, read_times

    print_top(options.existing_data(data), by.split(","), read_times(since, until, as_of=as_of), limit, output)
