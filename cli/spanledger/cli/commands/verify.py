"""`spanledger verify`: whether the ledger is what was booked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


@app.command()
def verify(
    data: options.Data = options.DEFAULT_DATA,
    full: Annotated[bool, typer.Option("--full", help="Read every entry and hash it anew.")] = False,
    deep: Annotated[bool, typer.Option("--deep", help="Also settle and price the archived requests anew, and compare.")] = False,
    checkpoint: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A checkpoint kept elsewhere; may be given again.", show_default=False)
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="The verifier key you trust, or a file with it.", show_default=False)
    ] = None,
    config: options.Config = None,
    output: options.Output = options.Format.table,
) -> None:
    """Whether the ledger is what was booked, by its hash chain.

    Goes through the chain, the signatures of checkpoints and the digest of every file; --full reads every entry and adds up every
    commit. Works offline on a copy of a data folder, and beside a running server; writes nothing. What is wrong is listed with its
    place, what was expected and what is there. Exits 1 if anything is. [dim]docs/proof.md says what is hashed how.[/dim]

    --deep also checks the archive, settles and prices its requests anew by the rules of --config, and compares every charge. What was
    booked by other rules is said, and no finding. [dim]docs/replay.md[/dim]

    Only a checkpoint that was kept elsewhere shows that nothing was cut off at the end, or written anew as a whole.

    [bold]Examples[/bold]

      spanledger verify --full

      spanledger verify --checkpoint /mnt/safe/checkpoint.txt --format json
    """
    from spanledger.cli.verifying import verify_folder

    folder = options.existing_data(data)
    raise typer.Exit(verify_folder(folder, full=full, deep=deep, checkpoints=checkpoint or [], key=key, output=output, config=config))
