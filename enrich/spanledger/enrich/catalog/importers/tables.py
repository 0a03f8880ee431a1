"""A price list of one's own: a CSV with a row for each rate, or a TOML with an entry for each model.

A misspelt column or key, a float, a date that is none or a rate given twice is an error with its line, never a rate left out.
"""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from spanledger.enrich.catalog.importers import overlay
from spanledger.enrich.catalog.rows import MULTIPLIER, OVERLAY, RANK_NAMES, Entry, Match, Rate, canonical_json
from spanledger.enrich.money import rational_from_text
from spanledger.enrich.plans import unix_ns
from spanledger.enrich.providers import canonical_provider

COLUMNS: Final[dict[str, str]] = {
    "provider": "Who sells it, as in OpenTelemetry: openai, anthropic, aws.bedrock, azure.ai.openai, gcp.vertex_ai, … (required)",
    "model": "The model's name in calls; the beginning of one and *; or * alone for what every model of the provider costs (required)",
    "unit": "input_tokens, output_tokens, cache_read_tokens, images, audio_ms, web_search_requests, requests, …; * multiplies (required)",
    "amount": "USD for `per` units, as a decimal: 2.50 (required)",
    "per": "How many units the amount is for: 1000000 (required)",
    "service_tier": "batch, flex, priority, …; empty: standard",
    "region": "The region it is for; empty: all",
    "threshold": "Long context: for requests whose total input is `op` this",
    "op": "> or >=",
    "window": "A daily window in UTC, with weekdays (1 is Monday): 01:00-04:00 1-5",
    "effective_from": "First day (2026-01-31) or moment in UTC; empty: it was always so",
    "effective_to": "The day or moment it ends, exclusive; empty: it goes on",
    "minimum": "A smaller quantity is billed as this many units",
    "increment": "Quantities are rounded up to a multiple of this",
    "source": "Where the price is from",
    "verified_on": "The day it was read",
    "context": "Further conditions, as exported catalogs have them: route=eu",
    "effective_kind": "published or observed; as the next three, for exported catalogs",
    "match": "Which names the model stands for, as JSON",
    "rank": "base, fill or overlay",
    "order": "The place among the provider's models",
}
_REQUIRED: Final = ("provider", "model", "unit", "amount", "per")
_ROWS_MAX: Final = 1_000_000
_ORDER: Final = re.compile(r"-?[0-9]{1,9}")


class _Head(NamedTuple):
    """What the rows of one entry have in common, as text."""

    provider: str
    model: str
    source: str
    verified_on: str
    match: str
    rank: str
    order: str


def read_csv(data: bytes, source: str) -> list[Entry]:
    """The entries of a CSV with a header of COLUMNS. Raises ValueError with the line."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: {error}") from error
    table = csv.DictReader(io.StringIO(text), strict=True)
    header = [name.strip() for name in table.fieldnames or []]
    table.fieldnames = header
    if unknown := sorted(set(header) - set(COLUMNS)):
        raise ValueError(f"unknown column {', '.join(unknown)}: there are {', '.join(COLUMNS)}")
    if missing := [name for name in _REQUIRED if name not in header]:
        raise ValueError(f"column {', '.join(missing)} is missing")
    rows: dict[_Head, list[Rate]] = {}
    try:
        for row in table:
            key, rate = _row(row, source)
            held = rows.setdefault(key, [])
            if rate in held:
                raise ValueError("this rate is there already")
            held.append(rate)
            if table.line_num > _ROWS_MAX:
                raise ValueError(f"more than {_ROWS_MAX} rows")
    except (ValueError, csv.Error) as error:
        raise ValueError(f"line {table.line_num}: {error}") from error
    return [_entry(key, order, tuple(sorted(rates))) for order, (key, rates) in enumerate(rows.items())]


def _row(row: dict[str, Any], source: str) -> tuple[_Head, Rate]:
    if None in row or None in row.values():
        raise ValueError("it has not as many fields as the header")
    said = {name: str(value).strip() for name, value in row.items()}
    if empty := [name for name in _REQUIRED if not said[name]]:
        raise ValueError(f"{', '.join(empty)} is empty")
    context = {name: said.get(name, "").lower() for name in ("service_tier", "region") if said.get(name)}
    start, end = _moment(said.get("effective_from", "")), _moment(said.get("effective_to", ""))
    rate = Rate(
        unit=said["unit"],
        amount=said["amount"],
        per=_whole(said["per"], "per", least=1),
        context=tuple(sorted({**_context(said.get("context", "")), **context}.items())),
        threshold=_whole(said.get("threshold", ""), "threshold"),
        op=said.get("op", ""),
        window=said.get("window", ""),
        effective_from=start,
        effective_to=end,
        effective_kind=(said.get("effective_kind") or "published") if start or end else "",
        minimum=_whole(said.get("minimum", ""), "minimum"),
        increment=_whole(said.get("increment", ""), "increment"),
    )
    check(rate)
    return _head(said, source), rate


def _head(said: dict[str, str], source: str) -> _Head:
    """What the row's entry is. Names of an exported catalog, which has matches, stay as they are."""
    rank, order = said.get("rank") or RANK_NAMES[OVERLAY], said.get("order", "")
    if rank not in RANK_NAMES.values() or (order and not _ORDER.fullmatch(order)):
        raise ValueError(f"rank is one of {', '.join(RANK_NAMES.values())}, order a whole number: not {rank} {order}")
    provider, model, match = said["provider"], said["model"], said.get("match", "")
    if match:
        overlay.check_match(match_from(match))
    else:
        provider, model = canonical_provider(provider) or provider.lower(), model.lower()
        match = canonical_json(match_of(model))
    return _Head(provider, model, said.get("source") or source, _moment(said.get("verified_on", "")), match, rank, order)


def match_from(text: str) -> Match:
    """A match from its JSON. Raises ValueError."""
    found = json.loads(text)
    if not isinstance(found, list):
        raise ValueError(f"{text[:80]} is no match")
    return found


def _context(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split()]
    if not all(key and value for key, _, value in pairs):
        raise ValueError(f"context is written service_tier=batch region=eu, not {text[:80]!r}")
    return {key: value for key, _, value in pairs}


def _entry(head: _Head, order: int, rates: tuple[Rate, ...]) -> Entry:
    rank = next(rank for rank, name in RANK_NAMES.items() if name == head.rank)
    place = int(head.order) if head.order else order
    return Entry(head.provider, head.model, rank, place, match_from(head.match), head.source, head.verified_on, rates)


def match_of(model: str) -> Match:
    """A name, the beginning of one with "*", or "*" for all. Raises ValueError for a "*" elsewhere."""
    if "*" in model[:-1]:
        raise ValueError(f'{model!r}: a model is a name, or the beginning of one and "*"')
    return ["prefix", model[:-1]] if model.endswith("*") else ["equals", model]


def read_toml(data: bytes, source: str) -> list[Entry]:
    """The entries of a TOML in the form of the shipped overlay; `source` stands for one that is not given. Raises ValueError."""
    entries = overlay.read(data.decode("utf-8"), source)
    for entry in entries:
        for rate in entry.rates:
            try:
                check(rate)
            except ValueError as error:
                raise ValueError(f"{entry.provider} {entry.model}: {error}") from error
    return entries


def check(rate: Rate) -> None:
    """Raises ValueError for a rate that cannot be."""
    if rational_from_text(rate.amount)[0] < 0:
        raise ValueError(f"{rate.unit}: a price is not negative")
    if bool(rate.threshold) != (rate.op in (">", ">=")) or rate.threshold < 0:
        raise ValueError(f"{rate.unit}: a threshold needs its operator, > or >=")
    if rate.window:
        overlay.check_window(rate.window)
    if rate.effective_from and rate.effective_to and unix_ns(rate.effective_to, 0) <= unix_ns(rate.effective_from, 0):
        raise ValueError(f"{rate.unit}: it ends before it begins")
    if rate.unit == MULTIPLIER and not any(key == "region" for key, _ in rate.context):
        raise ValueError("a multiplier is for a region")


def _whole(text: str, name: str, least: int = 0) -> int:
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or int(text) < least or len(text) > 18:
        raise ValueError(f"{name} is a whole number{' above 0' if least else ''}, not {text[:40]!r}")
    return int(text)


def _moment(text: str) -> str:
    if not text:
        return ""
    if len(text) <= len("2026-01-31"):
        return date.fromisoformat(text).isoformat()
    moment = datetime.fromisoformat(text.replace("Z", ""))
    if moment.tzinfo is not None or moment.microsecond:
        raise ValueError(f"{text}: times are in UTC, in whole seconds")
    return moment.isoformat()
