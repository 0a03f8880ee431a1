"""`prices diff`: finds what two words stand for, compares the two, and writes the differences."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from spanledger.cli.access import open_ledger
from spanledger.cli.options import Format
from spanledger.cli.price_diff import COST_OPTIONAL, RATE_COLUMNS, RATE_OPTIONAL, Book, By, Costs, cost_changes, rate_changes, terms_changes
from spanledger.cli.price_files import Read, read_prices
from spanledger.cli.price_folder import counted, reading
from spanledger.cli.render import write_rows
from spanledger.enrich.records import DAY_NS
from spanledger.enrich.terms import Terms
from spanledger.store.catalogs import (
    Parts,
    UnknownCatalogError,
    active,
    file_of,
    names_in,
    terms_of,
)
from spanledger.store.errors import LedgerNotFoundError
from spanledger.store.metastore import Metastore
from spanledger.store.price_words import resolve

_TABLE_ROWS_MAX = 40
"""More changed rates than this are not read in a table; other formats have all of them."""


def print_diff(data: Path, before: str, after: str, by: str | None, days: int, model: str | None, output: Format) -> None:
    """Write what differs between two books: rates, costs by tenant or model, or (a table, nothing asked for) rates and costs by tenant."""
    with reading(data) as metastore:
        books = [_book(metastore, text) for text in (before, after)]
    if by in (None, "rates"):
        _print_rates(books, model, output, everything=by == "rates")
    if by in ("tenant", "model"):
        _print_costs(data, books, "tenant" if by == "tenant" else "model", days, output)
    elif by is None and output in (Format.table, Format.markdown):
        sys.stdout.write("\n")
        _print_costs(data, books, "tenant", days, output)


def _print_rates(books: Sequence[Book], model: str | None, output: Format, *, everything: bool) -> None:
    rows = rate_changes(books[0].files, books[1].files, model)
    rows += [] if model else terms_changes(books[0].prices.terms, books[1].prices.terms)
    if output not in (Format.table, Format.markdown):
        write_rows(RATE_COLUMNS, rows, output)
        return
    shown = rows if everything else rows[:_TABLE_ROWS_MAX]
    if rows:
        sys.stdout.write(f"{counted(len(rows), 'rate or term', 'rates or terms')} differ{'s' if len(rows) == 1 else ''}:\n\n")
        write_rows(RATE_COLUMNS, shown, output, optional=RATE_OPTIONAL)
        if len(shown) < len(rows):
            sys.stdout.write(f"… and {len(rows) - len(shown):,} more: --by rates shows all, --model TEXT those of some models\n")
    else:
        sys.stdout.write("no rate differs\n")


def _print_costs(data: Path, books: Sequence[Book], by: By, days: int, output: Format) -> None:
    now_ns = time.time_ns()
    try:
        with open_ledger(data) as ledger, _progress() as advance:
            costs = cost_changes(ledger, (now_ns - days * DAY_NS, now_ns), books[0], books[1], by, advance)
    except LedgerNotFoundError:
        costs = Costs.none(by)
    if output in (Format.table, Format.markdown) and not costs.rows:
        sys.stdout.write(f"the calls of the last {days} days would have cost the same\n")
        return
    if output in (Format.table, Format.markdown):
        sys.stdout.write(f"calls of the last {days} days that are priced otherwise:\n\n")
    totals = ["total", *costs.totals[1:]] if output in (Format.table, Format.markdown) else costs.totals
    write_rows(costs.columns, costs.rows, output, totals=totals, optional=COST_OPTIONAL)


@contextmanager
def _progress() -> Iterator[Callable[[], object]]:
    """A count of priced calls, where somebody watches."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    columns = ("pricing calls", TextColumn("{task.completed:,.0f}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("price", total=None)
        yield lambda: progress.advance(task)


# -- what a word stands for ----------------------------------------------------------------------------------------------


def _book(metastore: Metastore | None, text: str) -> Book:
    """The book that a word means; a file that is not imported stands for the book in force with it put in its place."""
    try:
        return _built(metastore, resolve(metastore, text))
    except UnknownCatalogError:
        path = Path(text)
        if not path.is_file():
            raise
    return _with(metastore, active(metastore).parts, read_prices(path))


def _built(metastore: Metastore | None, parts: Parts) -> Book:
    files = [file_of(metastore, each) for each in (parts.base, *parts.overlays)]
    return Book.of(files, _terms(metastore, parts))


def _terms(metastore: Metastore | None, parts: Parts) -> Terms | None:
    return terms_of(metastore, parts.terms) if parts.terms is not None else None


def _with(metastore: Metastore | None, parts: Parts, read: Read) -> Book:
    """A book with a file in its place: what importing and activating it would make."""
    if read.kind == "overlay":
        names = names_in(metastore)
        parts = parts._replace(overlays=tuple(each for each in parts.overlays if names.get(each) != read.name))
    files = [file_of(metastore, each) for each in (parts.base, *parts.overlays)]
    if isinstance(read.content, Terms):
        return Book.of(files, read.content)
    if read.kind == "overlay":
        files.append(read.content)
    else:
        files[0] = read.content
    return Book.of(files, _terms(metastore, parts))
