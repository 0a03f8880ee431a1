"""`spanledger export`: the ledger as files for a warehouse."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from spanledger.cli import options
from spanledger.cli.filters import filtered
from spanledger.cli.options import Chosen

app = options.app()


class FileFormat(StrEnum):
    """How files are written."""

    parquet = "parquet"
    csv = "csv"
    jsonl = "jsonl"


@app.command()
@filtered
def export(
    to: Annotated[
        str,
        typer.Option("--to", metavar="PLACE", help="A folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX."),
    ],
    data: options.Data = options.DEFAULT_DATA,
    shape: Annotated[
        str,
        typer.Option(
            metavar="SHAPE", help="What a row is: events, lines, hourly, focus, focus-1.4; or what a billing system is told: stripe, orb, …"
        ),
    ] = "events",
    form: Annotated[
        FileFormat | None,
        typer.Option("--format", help="How the files are written; billing systems take jsonl.", show_default="parquet"),
    ] = None,
    since_last: Annotated[
        bool, typer.Option("--since-last", help="Only what was booked since the last export to this place; the first time, everything.")
    ] = False,
    file_mb: Annotated[int, typer.Option(min=1, max=4096, metavar="MB", help="About how large a file may get.")] = 128,
    meter: Annotated[str, typer.Option(metavar="NAME", help="For billing systems: the name of the meter or event there.")] = "llm_usage",
    amount: Annotated[
        str, typer.Option(metavar="COLUMN", help="For billing systems: customer_price_usd, or cost_usd.")
    ] = "customer_price_usd",
    authority: Annotated[str, typer.Option(metavar="NAME", help="For billing systems: the account whose tenants are billed.")] = "default",
    check: Annotated[
        bool, typer.Option("--check", help="For FOCUS: hold the rows against its rules, and export nothing where one is broken.")
    ] = False,
    *,
    chosen: Chosen,
) -> None:
    """Export the ledger to a folder or an object store.

    Files are partitioned by the date of the calls (PLACE/SHAPE/event_date=YYYY-MM-DD/). With --since-last each entry of the ledger is
    exported exactly once, however often it is run and wherever a run was cut off; corrections are rows of their own, so sums over all files
    are what stands. A manifest for each run (PLACE/SHAPE/_spanledger/) lists its files with their digests.

    [bold]Examples[/bold]

      spanledger export --to ./warehouse

      spanledger export --to s3://finance/spanledger --shape lines --since-last

      spanledger export --to ./acme --tenant acme --shape hourly --format csv
    """
    from spanledger.cli.exporting import export_to, request_for

    billed = (authority, amount, meter)
    request = request_for(
        shape, form and form.value, since_last=since_last, file_bytes=file_mb << 20, filters=chosen, billed=billed, check=check
    )
    export_to(options.existing_data(data), to, request)
