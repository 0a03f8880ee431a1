"""`spanledger tree`: a trace's spans with what each one cost."""

from __future__ import annotations

from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


@app.command()
def tree(
    trace_id: Annotated[str, typer.Argument(metavar="TRACE_ID", help="A trace id, 32 hex digits.")],
    data: options.Data = options.DEFAULT_DATA,
    as_of: options.AsOf = None,
) -> None:
    """A trace's spans with what each one cost.

    Every stored span under its parent: kind, operation, model, and its own and total cost. Spans that tell of a call charged
    elsewhere are marked.

    [bold]Example[/bold]

      spanledger tree 0af7651916cd43dd8448eb211c80319c
    """
    from spanledger.cli.tree import print_tree

    print_tree(options.existing_data(data), trace_id, as_of=as_of)
