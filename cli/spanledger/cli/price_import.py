"""`prices import` and `prices lint`: a file becomes a catalog, overlay or terms of the data folder, or says why it cannot."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spanledger.cli.access import viewer
from spanledger.cli.errors import EXIT_FINDINGS, UserError
from spanledger.cli.price_files import Read, read_prices
from spanledger.cli.price_folder import changing, counted, put_in_force_in, reading
from spanledger.enrich.catalog.load import CatalogFile
from spanledger.enrich.price_book import PriceBook
from spanledger.enrich.price_lint import AmbiguousRateError, Finding, lint, refuse_ties
from spanledger.enrich.terms import Terms
from spanledger.store.catalogs import (
    Parts,
    add,
    check_name,
    content_of,
    names_in,
    shipped_file,
)
from spanledger.store.metastore import Metastore
from spanledger.store.price_words import resolve

LINT_COLUMNS = ("part", *Finding._fields)
_REMARKS_MAX = 5


def import_file(
    data: Path, file: Path, kind: str | None, name: str | None, *, overlay: bool | None, activated: bool, report: Path | None
) -> list[str]:
    """Keep what a file says, and put it in force if asked to; what to tell of it. Nothing is kept of a file that cannot be used."""
    read = read_prices(file, kind, name, overlay=overlay)
    check_name(read.name)
    _check_usable(read)
    told = []
    with changing(data) as metastore:
        new = add(metastore, read.id, read.kind, read.name, read.source, read.body, time.time_ns())
        told.append(f"{read.name}: {_counted(read)}, kept as {read.id}{'' if new else ' (it was there already)'}")
        if activated:
            told.append(put_in_force_in(metastore, data, [read.id]))
    if not activated:
        told.append(f"it is not in force: `spanledger prices activate {read.name}` puts it there")
    return [*told, *_remarks(read, report)]


def _check_usable(read: Read) -> None:
    """Refuse what no book could be made with."""
    try:
        if isinstance(read.content, Terms):
            PriceBook(shipped_file(), (), read.content)
        elif read.kind == "overlay":
            PriceBook(shipped_file(), (read.content,))
        else:
            refuse_ties(read.content)
            PriceBook(read.content)
    except AmbiguousRateError as error:
        raise UserError(f"{read.source}: {error}; take one of the two out, or date them") from error


def _counted(read: Read) -> str:
    if isinstance(read.content, Terms):
        config = read.content.config
        tables = {"contracts": "contract", "aliases": "alias", "customers": "customer", "currencies": "currency rate"}
        counts = [counted(len(getattr(config, many)), one, many) for many, one in tables.items() if getattr(config, many)]
        return f"terms of {', '.join(counts) or 'nothing'}"
    entries = list(read.content.entries())
    rates = sum(len(entry.rates) for entry in entries)
    kind = "an overlay" if read.kind == "overlay" else "a catalog"
    return f"{kind} of {counted(rates, 'rate', 'rates')} of {counted(len(entries), 'model', 'models')}"


def _remarks(read: Read, report: Path | None) -> list[str]:
    """What was rounded or left out: to a file, or the first of it to standard error."""
    if report is not None:
        report.write_text("".join(f"{line}\n" for line in read.remarks), encoding="utf-8")
        return [f"{len(read.remarks):,} remarks on what was rounded or left out are in {report}"]
    shown = list(read.remarks[:_REMARKS_MAX])
    more = len(read.remarks) - len(shown)
    return [*shown, *([f"… and {more:,} more remarks on what was rounded or left out: --report FILE writes all"] if more else [])]


# -- lint ----------------------------------------------------------------------------------------------------------------


def lint_rows(data: Path, what: str, kind: str | None) -> tuple[Sequence[str], list[list[Any]], int]:
    """What is wrong or odd in a file, or in what is kept under a name: (columns, rows, exit code). With a key there are only names: errors
    quote what is in a file, and it would be read as whoever runs the command."""
    if viewer() is None and Path(what).is_file():
        read = read_prices(Path(what), kind)
        found = [(read.name, read.content)]
    else:
        with reading(data) as metastore:
            found = _parts(metastore, resolve(metastore, what))
    rows: list[list[Any]] = [[name, *finding] for name, content in found for finding in _watched(content)]
    wrong = any(row[1] == "error" for row in rows)
    return LINT_COLUMNS, rows, EXIT_FINDINGS if wrong else 0


def _parts(metastore: Metastore | None, parts: Parts) -> list[tuple[str, CatalogFile | Terms]]:
    names = names_in(metastore)
    return [(names.get(each, each), content_of(metastore, each)) for each in parts.ids]


def _watched(content: CatalogFile | Terms) -> list[Finding]:
    if sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status("checking every rate"):
            return lint(content)
    return lint(content)
