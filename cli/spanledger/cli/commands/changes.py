"""`spanledger changes`: what was booked since a time for calls that had started before."""

from __future__ import annotations

from typing import Annotated

import typer

from spanledger.cli import options
from spanledger.cli.filters import filtered
from spanledger.cli.options import Chosen

app = options.app()

Since = Annotated[str, typer.Option("--since", metavar="WHEN", help="Since then: a date, a time, or a span back from now: 24h, month.")]
By = Annotated[
    str | None,
    typer.Option(metavar="COLUMN,…", help="Group by these: as in report, and kind, reason, run. Times are the calls'.", show_default=False),
]
Reason = Annotated[list[str] | None, typer.Option(metavar="WORD", help="Only corrections for this reason.", show_default=False)]
Run = Annotated[list[str] | None, typer.Option(metavar="RUN", help="Only what this run booked.", show_default=False)]


@app.command()
@filtered
def changes(
    since: Since,
    until: options.Until = None,
    data: options.Data = options.DEFAULT_DATA,
    by: By = None,
    entries: Annotated[bool, typer.Option("--entries", help="The entries themselves, in the order of booking.")] = False,
    reason: Reason = None,
    run: Run = None,
    tz: options.Zone = "UTC",
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many rows; the totals are of all.", show_default=False)] = None,
    output: options.Output = options.Format.table,
    *,
    chosen: Chosen,
) -> None:
    """What has changed since a time, for calls of before.

    Corrections, re-pricing and calls that were booked late: what their month (or any dimension) came to at that time, what has been
    booked since, and what it comes to now. Without --by, tables also show why. By kind, reason or run there is only the difference;
    `booked_late` is a first booking of a call that had started before.

    [bold]Examples[/bold]

      spanledger changes --since 2026-11-01

      spanledger changes --since 2026-11-01 --by reason,run,tenant,month --format csv

      spanledger changes --since 7d --tenant acme --entries
    """
    from spanledger.cli.changing import Question, print_changes
    from spanledger.cli.reports import read_times

    narrowed = {**chosen, **{name: values for name, values in (("reason", reason), ("run", run)) if values}}
    asked = Question(by.split(",") if by is not None else None, narrowed, tz, limit, output)
    print_changes(options.existing_data(data), read_times(since, until, tz), asked, entries=entries)
