"""`spanledger explain`: one charge from span to money."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


class ExplainFormat(StrEnum):
    """How an explanation is written."""

    text = "text"
    json = "json"
    markdown = "markdown"


@app.command()
def explain(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="An event id, a span id or a provider's response id.")],
    data: options.Data = options.DEFAULT_DATA,
    output: Annotated[ExplainFormat, typer.Option("--format", help="How to write it.")] = ExplainFormat.text,
) -> None:
    """One charge from span to money, with its arithmetic.

    Shows what was called and who pays and why, how the usage was read, every rate with its source and date, the sums written out,
    which other spans told of the same call and are not charged, and every correction in order.

    [bold]Examples[/bold]

      spanledger explain 3d8eb2c82e8a9f25

      spanledger explain chatcmpl-9aF2 --format markdown
    """
    from spanledger.cli.explain import explain_to

    explain_to(options.existing_data(data), identifier, output.value)
