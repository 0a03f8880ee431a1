"""`spanledger events`: the cost events themselves."""

from __future__ import annotations

from typing import Annotated

import typer

from spanledger.cli import options
from spanledger.cli.filters import filtered
from spanledger.cli.options import Chosen

app = options.app()


@app.command()
@filtered
def events(
    data: options.Data = options.DEFAULT_DATA,
    since: options.Since = None,
    until: options.Until = None,
    as_of: options.AsOf = None,
    every: Annotated[bool, typer.Option("--all", help="Every entry ever booked: charges, reversals and adjustments.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many rows.", show_default=False)] = None,
    output: options.Output = options.Format.table,
    *,
    chosen: Chosen,
) -> None:
    """List cost events: by default the net current ones.

    One row a call, in order of booking, at its present price; with --all every entry by itself: what was corrected, when and why.
    The table shows the columns people look at; JSON, JSON Lines and CSV have every column, ids in full and money as exact decimal strings.

    [bold]Examples[/bold]

      spanledger events --since 1h

      spanledger events --tenant acme --format jsonl

      spanledger events --all --session s-17

      spanledger events --tenant acme --as-of 2026-11-01
    """
    from spanledger.cli.reports import print_events, read_times

    print_events(options.existing_data(data), read_times(since, until, as_of=as_of), chosen, every, limit, output)
