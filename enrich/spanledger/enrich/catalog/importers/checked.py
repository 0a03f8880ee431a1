"""The fields of a rate that a person wrote, checked one by one, so that an error can name the place and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time

from spanledger.enrich.catalog.rows import Rate
from spanledger.enrich.money import rational_from_text
from spanledger.enrich.providers import canonical_provider

CONTEXTS = ("service_tier", "region", "search_context_size")
"""What a call can have to be for a rate; other sources bring further ones, which no call has."""

_UNIT = re.compile(r"[a-z][a-z0-9_]{0,63}")
_KEY = re.compile(r"[a-z][a-z0-9_]{0,63}")
_WINDOW = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00|00:00)( [1-7]-[1-7])?")
_PER_MAX = 10**15
_AMOUNT_MAX = 64


def rate(field: Mapping[str, str]) -> Rate:
    """A rate of texts named as a Rate's fields; `context` is written "service_tier=batch region=eu". Raises ValueError."""
    threshold, op = _threshold(field.get("threshold", ""), field.get("op", ""))
    start, end = moment(field.get("effective_from", "")), moment(field.get("effective_to", ""))
    if start and end and end <= start:
        raise ValueError(f"effective_to {end} is not after effective_from {start}")
    kind = field.get("effective_kind", "") or ("published" if start or end else "")
    if kind not in ("published", "observed") and (kind or start or end):
        raise ValueError(f"effective_kind is published or observed, not {kind!r}")
    return Rate(
        unit=_unit(field.get("unit", "")),
        amount=_amount(field.get("amount", "")),
        per=_whole("per", field.get("per", ""), 1, _PER_MAX),
        context=_context(field.get("context", "")),
        threshold=threshold,
        op=op,
        window=_window(field.get("window", "")),
        effective_from=start,
        effective_to=end,
        effective_kind=kind if start or end else "",
    )


def provider_name(text: str) -> str:
    """A provider by its OpenTelemetry name, also where it was written as others call it. Raises ValueError for none."""
    name = text.strip()
    if not name or len(name) > 128 or not name.isprintable():
        raise ValueError(f"{text!r} is no provider: write its OpenTelemetry name, such as openai or azure.ai.openai")
    return canonical_provider(name) or name.lower()


def model_match(text: str) -> tuple[str, list[str]]:
    """(name, match) of a model, or of all whose names begin so where the text ends in "*". Raises ValueError."""
    name = text.strip().lower()
    if not name or len(name) > 256 or not name.isprintable() or "*" in name[:-1]:
        raise ValueError(f'{text!r} is no model: write its name, or the beginning of some names and "*"')
    return name, ["prefix", name[:-1]] if name.endswith("*") else ["equals", name]


def moment(text: str) -> str:
    """A date or a time as catalogs have it: an ISO date, or a time in UTC to the second. Raises ValueError."""
    text = text.strip()
    if not text:
        return ""
    try:
        if len(text) == len("2026-01-01"):
            return date.fromisoformat(text).isoformat()
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no date: write 2026-01-31, or 2026-01-31T16:00:00 (UTC)") from None
    utc = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    if utc.microsecond:
        raise ValueError(f"{text!r} is no whole second")
    return utc.date().isoformat() if utc.time() == time() else utc.replace(tzinfo=None).isoformat()


def same_cells(rates: Iterable[tuple[str, Rate]]) -> tuple[str, str] | None:
    """The places of two rates that say the same unit, condition and start, if there are any: nobody could choose between them."""
    seen: dict[tuple[object, ...], str] = {}
    for place, one in rates:
        cell = (one.unit, one.context, one.threshold, one.op, one.window, one.effective_from)
        if cell in seen:
            return seen[cell], place
        seen[cell] = place
    return None


def _unit(text: str) -> str:
    if not _UNIT.fullmatch(text.strip()):
        raise ValueError(f"{text!r} is no unit: write input_tokens, output_tokens, cache_read_tokens, images, requests, …")
    return text.strip()


def _amount(text: str) -> str:
    """An amount as plain decimal text."""
    clean = text.strip()
    try:
        numerator, _ = rational_from_text(clean) if len(clean) <= _AMOUNT_MAX else (-1, 1)
    except ValueError:
        numerator = -1
    if numerator < 0:
        raise ValueError(f"{text!r} is no amount: write USD for `per` units as a plain number such as 2.5")
    return clean


def _whole(name: str, text: str, least: int, most: int) -> int:
    clean = text.strip().replace("_", "")
    if not clean.isascii() or not clean.isdigit() or not least <= int(clean) <= most:
        raise ValueError(f"{text!r} is no {name}: write a whole number such as 1000000")
    return int(clean)


def _context(text: str) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for pair in text.split():
        key, separator, value = pair.partition("=")
        if not separator or not value or not _KEY.fullmatch(key) or key in found:
            raise ValueError(f"{text!r} is no context: write {CONTEXTS[0]}=batch {CONTEXTS[1]}=eu")
        found[key] = value.lower() if key in CONTEXTS else value
    return tuple(sorted(found.items()))


def _threshold(text: str, op: str) -> tuple[int, str]:
    if not text.strip() or text.strip() == "0":
        if op.strip():
            raise ValueError("an op needs the threshold it is for")
        return 0, ""
    if op.strip() not in (">", ">="):
        raise ValueError(f"op {op!r} of threshold {text}: write > or >=")
    return _whole("threshold", text, 1, 10**12), op.strip()


def _window(text: str) -> str:
    window = " ".join(text.split())
    if window and not _WINDOW.fullmatch(window):
        raise ValueError(f'{text!r} is no window: write "01:00-04:00" in UTC, with weekdays "01:00-04:00 1-5" (1 is Monday)')
    return window
