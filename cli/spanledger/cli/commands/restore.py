"""`spanledger restore`: make a data folder of a backup."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(metavar="BACKUP", help="A folder that `spanledger backup` made.", show_default=False)],
    data: options.Data = options.DEFAULT_DATA,
) -> None:
    """Make a data folder of a backup, with every file checked against its digest.

    The data folder must not exist yet, or be empty. What was received but not settled when the backup was made is in its journal: the
    next `serve` takes it up.

    [bold]Example[/bold]

      spanledger restore /backups/2026-11-21 --data ./ledger
    """
    from spanledger.cli.backup import restore as restore_backup
    from spanledger.cli.progress import bytes_progress

    with bytes_progress("restoring") as progress:
        done = restore_backup(source, data, progress)
    typer.echo(done.text("restored"), err=True)
