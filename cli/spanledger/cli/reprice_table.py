"""A re-pricing for people: the difference for each tenant and model, the sentence that sums it up, and a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final

from spanledger.cli.options import Format
from spanledger.cli.render import write_rows
from spanledger.cli.reports import UNATTRIBUTED
from spanledger.enrich.money import text_from_atto
from spanledger.store.reprice_run import Progress
from spanledger.store.tally import CHANGED, LOST, NEWLY, TAKEN, UNCHANGED, Cell, Tally

LIST, CONTRACTED, COST, CUSTOMER = range(4)
COLUMNS: Final = (
    "tenant",
    "model",
    "charges",
    "unchanged",
    "changed",
    "newly_priced",
    "no_price",
    "unpriced_again",
    "booked_usd",
    "repriced_usd",
    "difference_usd",
    "list_difference_usd",
    "contracted_difference_usd",
    "customer_difference_usd",
)
_OTHERS: Final = COLUMNS[-3:]
_WHERE_ANY: Final = (*_OTHERS, "unpriced_again")
_OPTIONAL: Final = (*_OTHERS, "unchanged", "no_price", "newly_priced", "repriced_usd")


def show(tally: Tally, output: Format, run_id: str) -> None:
    """Write the difference, the largest first; in tables, without amounts that do not differ anywhere, and what only an undo does."""
    cells = sorted(tally.counts, key=lambda cell: (-abs(tally.difference[cell][COST]), cell[0] or "", cell[1] or ""))
    people = output in (Format.table, Format.markdown)
    rows = [[(tenant or UNATTRIBUTED) if people else tenant, model, *_figures(tally, [(tenant, model)])] for tenant, model in cells]
    totals: list[Any] = ["total" if people else None, None, *_figures(tally, cells)]
    columns: tuple[str, ...] = COLUMNS
    if people:
        shown = [n for n, name in enumerate(COLUMNS) if name not in _WHERE_ANY or any(row[n] for row in rows)]
        columns = tuple(COLUMNS[n] for n in shown)
        rows, totals = [[row[n] for n in shown] for row in rows], [totals[n] for n in shown]
    optional = [name for name in _OPTIONAL if name in columns]
    write_rows(columns, rows, output, totals=totals, title=f"re-pricing {run_id}", optional=optional)


def _figures(tally: Tally, cells: list[Cell]) -> list[Any]:
    counts = [sum(tally.counts[cell][n] for cell in cells) for n in (UNCHANGED, CHANGED, NEWLY, LOST, TAKEN)]
    booked = sum(tally.booked[cell][COST] for cell in cells)
    moved = [sum(tally.difference[cell][n] for cell in cells) for n in (COST, LIST, CONTRACTED, CUSTOMER)]
    return [sum(counts), *counts, *(Decimal(text_from_atto(atto)) for atto in (booked, booked + moved[0], *moved))]


def said(tally: Tally) -> str:
    """The counts in words."""
    parts = [f"{tally.total(CHANGED):,} charges changed", f"{tally.total(UNCHANGED):,} unchanged"]
    newly, lost, taken = (tally.total(outcome) for outcome in (NEWLY, LOST, TAKEN))
    parts += [f"{newly:,} priced for the first time"] * bool(newly)
    parts += [f"{lost:,} without a price there, left as they are booked"] * bool(lost)
    parts += [f"{taken:,} unpriced again"] * bool(taken)
    return ", ".join(parts)


@contextmanager
def bar(what: str, total: int) -> Iterator[Progress]:
    """A progress bar over rows, where somebody watches."""
    if not sys.stderr.isatty():
        yield lambda _rows: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    with Bar(what, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda rows: progress.advance(task, rows)
