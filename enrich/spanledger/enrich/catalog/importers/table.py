"""Prices as a CSV table, one rate a row: a company's own list, or an exported catalog with all that it says.

Five columns are needed; the rest is there so that any catalog can be written and read again as the same one.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from spanledger.enrich.catalog.importers.checked import model_match, moment, provider_name, rate, same_cells
from spanledger.enrich.catalog.match import test_of
from spanledger.enrich.catalog.rows import BASE, FILL, OVERLAY, Entry, Match, Rate, canonical_json

NEEDED = ("provider", "model", "unit", "amount", "per")
COLUMNS = (
    *NEEDED,
    *("context", "threshold", "op", "window", "effective_from", "effective_to", "effective_kind", "source", "verified_on"),
    *("match", "rank", "order"),
)
RANKS = {"overlay": OVERLAY, "base": BASE, "fill": FILL}
RANK_NAMES = {rank: name for name, rank in RANKS.items()}
_LONGEST = 1000

_Head = tuple[str, str, int, int, str, str, str]
"""What the rows of one entry have in common: provider, model, rank, order, match as JSON, source, verified_on."""


def read(text: str, source: str) -> list[Entry]:
    """The entries of a table; `source` is for rows that name none. Raises ValueError, "line 7: …", for the first wrong one."""
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    _check_columns(rows.fieldnames or [])
    found: dict[_Head, list[tuple[str, Rate]]] = {}
    try:
        for row in rows:
            place = f"line {rows.line_num}"
            if None in row or None in row.values():
                raise ValueError(f"{place}: it has not as many fields as the first line")
            if any(value.strip() for value in row.values()):
                found.setdefault(_head(row, source, place), []).append((place, _rate(row, place)))
    except csv.Error as error:
        raise ValueError(f"line {rows.line_num}: not CSV: {error}") from error
    if not found:
        raise ValueError("there is no rate in it")
    return [_entry(head, rates) for head, rates in found.items()]


def _check_columns(names: Iterable[str]) -> None:
    given = list(names)
    if missing := [name for name in NEEDED if name not in given]:
        raise ValueError(f"line 1: no column {', '.join(missing)}; there are {', '.join(given) or 'none'}")
    if unknown := [name for name in given if name not in COLUMNS]:
        raise ValueError(f"line 1: a column {unknown[0]!r}; there can be {', '.join(COLUMNS)}")
    if len(set(given)) < len(given):
        raise ValueError("line 1: a column is there twice")


def _head(row: dict[str, str], source: str, place: str) -> _Head:
    try:
        provider, model, match = _of_export(row) if row.get("match") else _of_person(row)
        # what is for all models of a provider only adds to what is known of each
        rank = RANKS.get(row.get("rank") or ("overlay" if list(match) == ["prefix", ""] else "base"))
        if rank is None:
            raise ValueError(f"{row['rank']!r} is no rank: {', '.join(RANKS)}")
        order = _order(row["order"]) if row.get("order") else order_of(match)
        verified_on = moment(row.get("verified_on", ""))
        given = row.get("source", "").strip() or source
        return provider, model, rank, order, canonical_json(match), given, verified_on
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def order_of(match: Match) -> int:
    """Where an entry stands among those of its provider: names before beginnings of names, long beginnings before short ones."""
    prefixes = [part[1] for part in (match[1] if match[0] == "any" else [match]) if part[0] == "prefix"] if match else []
    return _LONGEST - max(map(len, prefixes)) if prefixes else 0


def _order(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise ValueError(f"{text!r} is no order: a whole number")
    return int(text)


def _of_person(row: dict[str, str]) -> tuple[str, str, Match]:
    model, match = model_match(row["model"])
    return provider_name(row["provider"]), model, match


def _of_export(row: dict[str, str]) -> tuple[str, str, Match]:
    """Names as they stand in a catalog, which are not all such as a person would write."""
    return row["provider"], row["model"], _match(row["match"])


def _match(text: str) -> Match:
    try:
        found: Match = json.loads(text)
        if found or text != "[]":
            test_of(found)("")
    except (ValueError, TypeError, re.error, RecursionError) as error:
        raise ValueError(f"{text[:80]!r} is no match, as exported catalogs have it ({error})") from error
    return found


def _rate(row: dict[str, str], place: str) -> Rate:
    try:
        return rate(row)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def _entry(head: _Head, rates: list[tuple[str, Rate]]) -> Entry:
    provider, model, rank, order, match, source, verified_on = head
    if twice := same_cells(rates):
        raise ValueError(f"{twice[1]}: it is for the same unit, conditions and start as {twice[0]}")
    return Entry(provider, model, rank, order, json.loads(match), source, verified_on, tuple(sorted(one for _, one in rates)))


def write(entries: Iterable[Entry]) -> Iterator[list[Any]]:
    """Entries as rows under COLUMNS, such that `read` makes the same entries of them."""
    for entry in entries:
        for one in sorted(entry.rates):
            context = " ".join(f"{key}={value}" for key, value in one.context)
            yield [
                entry.provider, entry.model, one.unit, one.amount, one.per, context, one.threshold or "", one.op, one.window,
                one.effective_from, one.effective_to, one.effective_kind, entry.source, entry.verified_on,
                canonical_json(entry.match), RANK_NAMES[entry.rank], entry.order,
            ]  # fmt: skip
