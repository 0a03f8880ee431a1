"""`spanledger verify-proof`: check a proof without a ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


@app.command()
def verify_proof(
    proof: Annotated[Path, typer.Argument(metavar="FILE", help="A proof, as `prove` wrote it.")],
    checkpoint: Annotated[Path, typer.Option(metavar="FILE", help="The checkpoint it leads to.")],
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="The verifier key you trust, or a file with it.", show_default=False)
    ] = None,
    output: options.Output = options.Format.table,
) -> None:
    """Check a proof with nothing but a checkpoint.

    Needs no ledger and no network. Exits 1 if the row is not the one that was booked, or the checkpoint not the one that was signed.

    [bold]Example[/bold]

      spanledger verify-proof proof.json --checkpoint checkpoint.txt
    """
    from spanledger.cli.verifying import check_proof

    check_proof(proof, checkpoint, key, output)
