"""`spanledger backup`: copy a data folder, whole at one commit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder for the copy.", show_default=False)],
    data: options.Data = options.DEFAULT_DATA,
) -> None:
    """Copy the data folder, also that of a running server.

    The copy is whole at one commit: metastore, data files, hash chain, journal and archive, with the digest of every file in backup.json.
    Nothing is stopped; compaction waits. It holds the keys' hashes and the folder's secrets: keep it as safe as the folder.

    [bold]Example[/bold]

      spanledger backup --data ./ledger /backups/2026-11-21
    """
    from spanledger.cli.backup import back_up
    from spanledger.cli.progress import bytes_progress

    with bytes_progress("backing up") as progress:
        done = back_up(options.existing_data(data), target, progress)
    typer.echo(done.text("backed up"), err=True)
