"""The options that several commands share, spelled once, so that they read and complete alike everywhere."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_DATA = Path("spanledger-data")


class Format(StrEnum):
    """How rows are written."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"
    markdown = "markdown"


Data = Annotated[
    Path,
    typer.Option("--data", envvar="SPANLEDGER_DATA", metavar="DIR", help="The data folder.", show_default="./spanledger-data"),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", envvar="SPANLEDGER_CONFIG", metavar="FILE", help="A TOML configuration file.", show_default=False),
]
Output = Annotated[Format, typer.Option("--format", help="How to write the rows.")]
Since = Annotated[
    str | None,
    typer.Option(metavar="WHEN", help="From then on: a date, a time, or a span back from now: 15m, 24h, 7d, today, month."),
]
Until = Annotated[str | None, typer.Option(metavar="WHEN", help="Up to then (exclusive), written as for --since.")]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="WHEN", help="As the ledger stood then: without what was booked later. Written as for --since.",
                 show_default=False),
]  # fmt: skip


class Basis(StrEnum):
    """Whose time windows and periods go by."""

    start = "start"
    booked = "booked"


ByTime = Annotated[
    Basis,
    typer.Option(
        "--basis",
        help="Go by when calls started, or by when they and their corrections were booked: then a period that is over stays as it is.",
    ),
]
Zone = Annotated[str, typer.Option("--tz", metavar="ZONE", help="Time zone of dates and of day, week and month, such as Europe/Berlin.")]
Limit = Annotated[int, typer.Option(min=1, help="At most this many rows.")]
Commit = Annotated[bool, typer.Option("--commit/--dry-run", help="Book the difference, or only show it.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Book without asking.")]
Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="Why, kept with the run.", show_default=False)]
Actor = Annotated[str | None, typer.Option(metavar="NAME", help="Who, kept with the run.", show_default=False)]

Chosen = Mapping[str, Sequence[str]]
"""The filters that were given: name -> values, an empty one for those that have none."""


def existing_data(data: Path) -> Path:
    """The data folder of a command that only reads; a kind word where there is none yet."""
    from spanledger.cli.errors import UserError

    if not data.is_dir():
        raise UserError(f"no data folder at {data}: name it with --data or SPANLEDGER_DATA; `spanledger serve` and `ingest` create one")
    if not os.access(data, os.R_OK | os.X_OK):
        raise UserError(f"the data folder {data} cannot be read by this user")
    return data


def app() -> typer.Typer:
    """A Typer app set up as all our commands are: help from docstrings, errors left to `app.run`."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich", context_settings=CONTEXT)


CONTEXT = {"help_option_names": ["--help", "-h"]}
