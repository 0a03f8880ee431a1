"""Booked runs as rows: the list of them, and one with its inputs and what it added to whom."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from spanledger.cli.options import Format
from spanledger.cli.render import cell, write_rows
from spanledger.cli.reports import UNATTRIBUTED
from spanledger.enrich.money import text_from_atto
from spanledger.store.ledger import Ledger
from spanledger.store.query import snapshot
from spanledger.store.runs import BookedRun, get_run, list_runs
from spanledger.store.times import rfc3339

COLUMNS = ("run_id", "kind", "booked", "actor", "reason", "entries", "total_usd", "commit")
OPTIONAL = ("commit", "kind", "reason")
BY_CELL = ("tenant", "model", "adjustments", "reversals", "charges", "cost_usd")


def print_runs(data: Path, output: Format) -> None:
    """Write every run, the latest first."""
    with Ledger.open(data, read_only=True) as ledger:
        rows = [_row(run) for run in list_runs(ledger.metastore)]
    write_rows(COLUMNS, rows, output, optional=OPTIONAL)


def _row(run: BookedRun) -> list[Any]:
    total = Decimal(text_from_atto(run.total_usd))
    return [run.run_id, run.kind, rfc3339(run.booked_ns)[:19] + "Z", run.actor, run.reason, run.entries, total, run.commit]


def print_run(data: Path, name: str, output: Format) -> None:
    """Write one run: what decided it, then its entries by tenant and model. Raises QueryError."""
    with Ledger.open(data, read_only=True) as ledger:
        run = get_run(ledger.metastore, name)
        with snapshot(ledger) as connection:
            found = connection.execute(
                "SELECT tenant_id, coalesce(response_model, request_model), count(*) FILTER (WHERE kind = 'adjustment'),"
                " count(*) FILTER (WHERE kind = 'reversal'), count(*) FILTER (WHERE kind = 'charge'), sum(cost_usd)"
                " FROM entries WHERE run_id = $run GROUP BY ALL ORDER BY abs(sum(cost_usd)) DESC NULLS LAST, 1, 2",
                {"run": run.run_id},
            ).fetchall()
    people = output in (Format.table, Format.markdown)
    if people:
        for label, value in zip(COLUMNS, _row(run), strict=True):
            sys.stdout.write(f"{label.replace('_', ' '):<10} {cell(value)}\n")
        for label, value in json.loads(run.inputs).items():
            sys.stdout.write(f"{'input':<10} {label}: {cell(value)}\n")
    rows = [[(tenant or UNATTRIBUTED) if people else tenant, *rest] for tenant, *rest in found]
    totals = [
        "total",
        None,
        *(sum(row[n] for row in rows) for n in (2, 3, 4)),
        Decimal(text_from_atto(run.total_usd)),
    ]
    write_rows(BY_CELL, rows, output, totals=totals)
