"""`spanledger prove`: a proof that an entry is in the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


@app.command()
def prove(
    event_id: Annotated[str, typer.Argument(metavar="EVENT_ID", help="The id of an entry, or how it begins.")],
    data: options.Data = options.DEFAULT_DATA,
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The checkpoint it leads to; else the newest one.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write it; else standard output.", show_default=False)] = None,
) -> None:
    """A proof that an entry is in the ledger, to give away.

    Holds the row and the hashes that lead from it to a signed checkpoint: about forty lines, however large the ledger. It
    says nothing of other tenants. Whoever has it and the checkpoint checks it with `verify-proof`, or with the hundred lines of
    a program of their own (docs/proof.md).

    [bold]Example[/bold]

      spanledger prove 3d8eb2c82e8a9f25 --out proof.json
    """
    from spanledger.cli.verifying import prove_event

    prove_event(options.existing_data(data), event_id, checkpoint, out)
