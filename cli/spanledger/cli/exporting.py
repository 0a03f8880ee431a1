"""Runs an export with a progress bar, and says what was written."""

from __future__ import annotations

import time
from pathlib import Path

import typer

from spanledger.cli.errors import UsageMistake
from spanledger.cli.options import Chosen
from spanledger.cli.progress import rows_progress
from spanledger.store.export.billing import SYSTEMS, Selection, without_amount
from spanledger.store.export.every import SHAPES, shape_named
from spanledger.store.export.export import Request, billing_shape, export, unpriced_charges
from spanledger.store.export.focus_check import version_of
from spanledger.store.export.targets import target_of
from spanledger.store.ledger import Ledger
from spanledger.store.times import rfc3339


def request_for(
    shape: str, form: str | None, *, since_last: bool, file_bytes: int, filters: Chosen, billed: tuple[str, str, str], check: bool = False
) -> Request:
    """What is asked for, checked. `billed` is the authority, the amount and the meter of a billing system's events."""
    if check and version_of(shape) is None:
        raise UsageMistake("--check is of the rules of FOCUS: it goes with --shape focus or focus-1.4")
    if shape not in (*SHAPES, *SYSTEMS):
        raise UsageMistake(f"there is no shape {shape!r}; there are {', '.join((*SHAPES, *SYSTEMS))}")
    if shape in SHAPES:
        return Request(shape_named(shape), form or "parquet", since_last, filters, file_bytes, is_checked=check)
    if form not in (None, "jsonl"):
        raise UsageMistake(f"{shape} takes JSON Lines: leave --format out")
    if filters:
        raise UsageMistake("what a billing system is told is of all tenants: leave the filters out")
    return Request(billing_shape(shape), "jsonl", since_last, {}, file_bytes, Selection(*billed))


def export_to(data: Path, where: str, request: Request) -> None:
    """Export and say how much, on standard error: what is asked for is in the target."""
    shape = request.shape.name
    target = target_of(where)
    ledger = Ledger.open(data, read_only=True)
    try:
        with rows_progress(f"exporting {shape}") as progress:
            done = export(ledger, target, request, now_text=rfc3339(time.time_ns()), progress=progress)
        missing = 0 if request.bill is None else without_amount(ledger, request.bill, done.first_entry, done.last_entry)
        unpriced = 0 if version_of(shape) is None else unpriced_charges(ledger, request, done.first_entry, done.last_entry)
    finally:
        ledger.close()
    if missing and request.bill is not None:
        typer.echo(f"{missing} billable calls have no {request.bill.amount}, and are not in it: `spanledger doctor` says why", err=True)
    if unpriced:
        typer.echo(
            f"{unpriced} calls have no price and are not in it, for FOCUS knows no unknown cost: `spanledger doctor` says why", err=True
        )
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
