"""`spanledger checkpoint`: what the ledger is now, signed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


@app.command()
def checkpoint(
    data: options.Data = options.DEFAULT_DATA,
    to: Annotated[
        str | None, typer.Option(metavar="FILE|URL", help="Where to bring it: a file, a folder, or an https URL.", show_default=False)
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="An Ed25519 key in PEM form, instead of the folder's own.", show_default=False)
    ] = None,
) -> None:
    """Sign what the ledger is now, to be kept elsewhere.

    A checkpoint is a few lines of text (a C2SP signed note). Kept where those who keep the ledger cannot write, it lets anyone show
    later that nothing before it was changed, taken out or cut off. Proofs lead to checkpoints too. A copy stays in the data folder.
    A server makes one every hour, see \\[store.proof] in the configuration.

    The key is made on first use; its public half, to be given to whoever checks, is printed on standard error.

    [bold]Examples[/bold]

      spanledger checkpoint --to /mnt/safe/

      spanledger checkpoint --to https://audit.example/checkpoints
    """
    from spanledger.cli.notary import deliver, sign_checkpoint

    signed = sign_checkpoint(options.existing_data(data), key, time.time_ns())
    if to is None:
        typer.echo(signed.note, nl=False)
    else:
        typer.echo(f"checkpoint of {signed.size} records brought to {deliver(signed, to)}", err=True)
    typer.echo(f"verifier key: {signed.verifier_key}", err=True)
