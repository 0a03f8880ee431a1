"""`spanledger explain`: a charge, a line or a cell of a report, from span to money."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from spanledger.cli import options
from spanledger.cli.filters import filtered
from spanledger.cli.options import Chosen

app = options.app()


class ExplainFormat(StrEnum):
    """How an explanation is written."""

    text = "text"
    json = "json"
    markdown = "markdown"
    html = "html"


class Audience(StrEnum):
    """Who is to read it."""

    us = "us"
    customer = "customer"


Identifier = Annotated[
    str | None,
    typer.Argument(metavar="[ID]", help="An event, span, trace or response id, the beginning of one, or EVENT:UNIT.", show_default=False),
]
Form = Annotated[ExplainFormat, typer.Option("--format", help="How to write it.")]
Whom = Annotated[Audience, typer.Option("--for", help="Show us the cost, or the customer what he is charged and nothing of our cost.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write to this file.", show_default=False)]
Period = Annotated[str | None, typer.Option(metavar="WHEN", help="The calls of this one, such as 2026-11-20.", show_default=False)]
Month = Annotated[str | None, typer.Option(metavar="WHEN", help="The calls of this one, such as 2026-11.", show_default=False)]
Count = Annotated[int, typer.Option(min=1, max=1000, help="How many of a cell's calls to explain in full, the costliest first.")]


@app.command()
@filtered
def explain(
    identifier: Identifier = None,
    data: options.Data = options.DEFAULT_DATA,
    output: Form = ExplainFormat.text,
    audience: Whom = Audience.us,
    out: Out = None,
    day: Period = None,
    month: Month = None,
    since: options.Since = None,
    until: options.Until = None,
    tz: options.Zone = "UTC",
    as_of: options.AsOf = None,
    basis: options.ByTime = options.Basis.start,
    limit: Count = 10,
    *,
    chosen: Chosen,
) -> None:
    """A charge, a line or a cell of a report, from span to money, with its arithmetic.

    Of an id: what was called, who pays and why, how the usage was read, every rate with its source and dates, the sums written out, which
    other spans told of the same call and are not charged, and every correction in order. EVENT:UNIT is one line of it.

    Without an id, the cell of a report that filters and times name: its total, by model and by rate, how it came about, and its costliest
    calls in full. All of it adds up to the report's figure, to the last digit.

    HTML is one page to send, about one tenant and without a word of others; with --for customer it shows what the customer is charged and
    nothing of what it costs.

    [bold]Examples[/bold]

      spanledger explain 3d8eb2c8

      spanledger explain chatcmpl-9aF2 --format markdown

      spanledger explain --tenant acme --day 2026-11-20 --model gpt-4o

      spanledger explain --tenant acme --month 2026-10 --for customer --format html --out acme-2026-10.html
    """
    from spanledger.cli import explain as explaining
    from spanledger.cli.reports import read_times
    from spanledger.cli.times import window_of

    manner = explaining.Manner(output.value, audience is Audience.customer, out)
    when = read_times(*window_of(day, month, since, until, tz), tz, as_of, basis)
    explaining.check_question(identifier, chosen, when)
    folder = options.existing_data(data)
    if identifier is None:
        explaining.explain_cell(folder, chosen, when, tz, limit, manner)
    else:
        explaining.explain_id(folder, identifier, chosen.get("tenant"), when.as_of_ns, manner)
