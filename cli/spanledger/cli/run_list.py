"""Booked runs as rows: the list of them, and one with its inputs and what it added to whom."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from spanledger.cli.access import open_ledger
from spanledger.cli.options import Format
from spanledger.cli.render import cell, write_rows
from spanledger.cli.reports import UNATTRIBUTED
from spanledger.enrich.money import atto_from_text, text_from_atto
from spanledger.store.ledger import Ledger
from spanledger.store.query import snapshot
from spanledger.store.runs import BookedRun, list_runs, pick_run
from spanledger.store.times import rfc3339

COLUMNS = ("run_id", "kind", "booked", "actor", "reason", "entries", "total_usd", "commit")
OPTIONAL = ("commit", "kind", "reason")
BY_CELL = ("tenant", "model", "adjustments", "reversals", "charges", "cost_usd")


def print_runs(data: Path, output: Format) -> None:
    """Write every run, the latest first."""
    with open_ledger(data) as ledger:
        rows = [_row(run) for run in _seen(ledger)]
    write_rows(COLUMNS, rows, output, optional=OPTIONAL)


def _seen(ledger: Ledger) -> list[BookedRun]:
    """The runs that the one who asks may know of: with a key those that booked something of its own, as far as they did."""
    booked = list_runs(ledger.metastore)
    if ledger.viewer is None:
        return booked
    query = "SELECT run_id, count(*), coalesce(sum(cost_usd), 0) FROM entries WHERE run_id IS NOT NULL GROUP BY run_id"
    with snapshot(ledger) as connection:
        own = {run_id: (count, atto_from_text(format(total, "f"))) for run_id, count, total in connection.execute(query).fetchall()}
    return [
        run._replace(inputs="{}", actor=None, reason=None, entries=own[run.run_id][0], total_usd=own[run.run_id][1])
        for run in booked
        if run.run_id in own
    ]


def _row(run: BookedRun) -> list[Any]:
    total = Decimal(text_from_atto(run.total_usd))
    return [run.run_id, run.kind, rfc3339(run.booked_ns)[:19] + "Z", run.actor, run.reason, run.entries, total, run.commit]


def print_run(data: Path, name: str, output: Format) -> None:
    """Write one run: what decided it, then its entries by tenant and model. Raises QueryError."""
    with open_ledger(data) as ledger:
        run = pick_run(_seen(ledger), name)
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
