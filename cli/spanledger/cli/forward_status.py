"""What `forward` answers and changes: how far costs have been sent on, and from where they are to be sent again."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import typer

from spanledger.cli.errors import UserError
from spanledger.cli.options import Format
from spanledger.cli.render import write_rows
from spanledger.store.forwarding import ForwardState, read_state, reset
from spanledger.store.metastore import Metastore
from spanledger.store.times import rfc3339

COLUMNS = ("entries_sent", "entries_total", "lag", "since", "sent", "rejected", "failing_since", "error")
OPTIONAL = ("failing_since", "error")


def print_status(data: Path, output: Format) -> None:
    """Write how far forwarding is."""
    with closing(Metastore.open(data, read_only=True)) as store:
        state, total = read_state(store), store.last_commit().entries_total
    rows = [] if state is None else [_row(state, total)]
    write_rows(COLUMNS, rows, output, optional=OPTIONAL)
    if state is None:
        typer.echo("nothing was sent on yet: a server with [forward] in its configuration does so, see docs/collector.md", err=True)


def _row(state: ForwardState, total: int) -> list[object]:
    sent, failing = _time(state.sent_ns), _time(state.failing_since_ns)
    lag = total - state.entry_number
    return [state.entry_number, total, lag, _time(state.since_ns), sent, state.rejected, failing, state.error]


def _time(ns: int | None) -> str | None:
    return None if ns is None else rfc3339(ns)[:19] + "Z"


def start_again(data: Path, to: str) -> ForwardState:
    """Send on from another place: "beginning", "now", or the number of an entry, which is sent next. Raises UserError."""
    with closing(Metastore.open(data, read_only=True)):
        pass  # LedgerNotFoundError where there is none
    with closing(Metastore.open(data)) as store:
        total = store.last_commit().entries_total
        if to in ("beginning", "now"):
            behind = 0 if to == "beginning" else total
        elif to.isdecimal() and 1 <= int(to) <= total + 1:
            behind = int(to) - 1
        else:
            raise UserError(f"--to is beginning, now, or the number of an entry from 1 to {total + 1}")
        return reset(store, behind, time.time_ns())
