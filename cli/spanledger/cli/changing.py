"""`changes`: asks the store what was booked since a time for calls that had started before, and writes it as tables or as entries."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from spanledger.cli.access import open_ledger
from spanledger.cli.errors import UsageMistake
from spanledger.cli.options import Chosen, Format
from spanledger.cli.reports import ENTRY_TABLE, When, print_table, store_filters, write_events
from spanledger.store.changes import changed_entries, changes

_TITLES: dict[tuple[str, ...], str] = {
    ("tenant", "month"): "By payer and the calls' month",
    ("reason", "run"): "Why",
}
"""The two tables for people who ask for nothing in particular."""


class Question(NamedTuple):
    """What is asked for on the command line: the dimensions (None: the usual ones), filters, zone of months, and how many rows."""

    by: Sequence[str] | None
    chosen: Chosen
    tz: str
    limit: int | None
    output: Format


def print_changes(data: Path, when: When, asked: Question, *, entries: bool) -> None:
    """Write what has changed since the window began, up to its end."""
    since_ns, until_ns = when.window
    if since_ns is None:
        raise UsageMistake("say since when: --since 2026-11-01")
    scope: dict[str, Any] = {"since_ns": since_ns, "until_ns": until_ns, "filters": store_filters(asked.chosen)}
    with open_ledger(data) as ledger:
        if entries:
            write_events(islice(changed_entries(ledger, **scope), asked.limit), ENTRY_TABLE, asked.output)
            return
        people = asked.by is None and asked.output in (Format.table, Format.markdown)
        wanted = [tuple(name.strip() for name in asked.by)] if asked.by is not None else list(_TITLES)[: 2 if people else 1]
        tables = [(changes(ledger, by, tz=asked.tz, **scope), _TITLES[by] if people else None) for by in wanted]
    if people and not tables[0][0].rows:
        sys.stdout.write("nothing has been booked since for calls that had started before\n")
        return
    for table, title in tables:
        print_table(table, asked.limit, asked.output, title)
