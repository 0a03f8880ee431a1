"""Runs an export with a progress bar, and says what was written."""

from __future__ import annotations

import time
from pathlib import Path

import typer

from spanledger.cli.options import Chosen
from spanledger.cli.progress import rows_progress
from spanledger.store.export.export import Request, export
from spanledger.store.export.shapes import shape_named
from spanledger.store.export.targets import target_of
from spanledger.store.ledger import Ledger
from spanledger.store.times import rfc3339


def export_to(data: Path, where: str, shape: str, form: str, *, since_last: bool, file_bytes: int, filters: Chosen) -> None:
    """Export and say how much, on standard error: what is asked for is in the target."""
    request = Request(shape_named(shape), form, since_last, filters, file_bytes)
    target = target_of(where)
    ledger = Ledger.open(data, read_only=True)
    try:
        with rows_progress(f"exporting {shape}") as progress:
            done = export(ledger, target, request, now_text=rfc3339(time.time_ns()), progress=progress)
    finally:
        ledger.close()
    if done.last_entry < done.first_entry:
        typer.echo(f"nothing new for {target.name}/{shape}", err=True)
        return
    cost = "no priced entry" if done.cost_usd is None else f"{done.cost_usd.normalize():f} USD"
    files = "1 file" if done.files == 1 else f"{done.files} files"
    typer.echo(
        f"{done.rows} rows of {shape} in {files} ({done.size} bytes, {cost}) to {target.name}/{shape}:"
        f" entries {done.first_entry} to {done.last_entry}",
        err=True,
    )
