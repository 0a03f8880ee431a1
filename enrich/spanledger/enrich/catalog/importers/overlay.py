"""A price list as TOML: our own overlay of prices we looked up ourselves, or a user's; every entry with its source and the day."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

from spanledger.enrich.catalog.match import test_of
from spanledger.enrich.catalog.rows import OVERLAY, RANK_NAMES, Entry, Match, Rate
from spanledger.enrich.money import rational_from_text
from spanledger.enrich.plans import unix_ns
from spanledger.enrich.providers import canonical_provider

_ENTRY_KEYS = {"provider", "models", "match", "source", "verified_on", "note", "rates", "model", "rank", "order"}
_RATE_KEYS = {"unit", "amount", "per", "context", "threshold", "op", "window", "from", "to", "minimum", "increment", "kind"}
_WINDOW: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]-(?:[01][0-9]|2[0-3]):[0-5][0-9](?: [1-7]-[1-7])?")


def read(text: str, source: str = "") -> list[Entry]:
    """The entries of a price list; `source` stands for one that an entry does not have, and then for its day too.

    Raises ValueError, "entry 2 rate 1: …", for unknown or missing keys, so that a misspelt one is not silently nothing.
    """
    said = tomllib.loads(text)
    if unknown := sorted(set(said) - {"entry"}):
        raise ValueError(f"unknown {', '.join(unknown)}: prices are [[entry]] tables")
    items = said.get("entry", [])
    if not isinstance(items, list):
        raise ValueError("prices are [[entry]] tables, with two brackets")
    return [_entry(item, order, source) for order, item in enumerate(items)]


def _entry(item: dict[str, Any], order: int, source: str) -> Entry:
    place = f"entry {order + 1}"
    try:
        _check_keys(item, _ENTRY_KEYS, needed=("provider", "rates"))
        if not (source or (item.get("source") and item.get("verified_on"))):
            raise ValueError("no source or verified_on")
        names = [str(name).lower() for name in item.get("models", [])]
        match = item.get("match") if "match" in item else ["any", [["equals", name] for name in names]]
        if not (names or "match" in item) or not isinstance(match, list):
            raise ValueError('no models: write models = ["gpt-5", "gpt-5-mini"]')
        check_match(match)
        rank = {name: rank for rank, name in RANK_NAMES.items()}.get(item.get("rank", RANK_NAMES[OVERLAY]))
        if rank is None or not isinstance(item.get("order", 0), int):
            raise ValueError(f"rank is one of {', '.join(RANK_NAMES.values())}, and order a whole number")
        day = _moment(item.get("verified_on", ""))
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
    rates = tuple(sorted(_rate(rate, f"{place} rate {number}") for number, rate in enumerate(item["rates"], 1)))
    model = str(item.get("model", names[0] if names else "*"))
    provider = str(item["provider"])
    if "rank" not in item:  # names of an exported catalog, which has ranks, stay as they are
        provider = canonical_provider(provider) or provider.lower()
    return Entry(provider, model, rank, item.get("order", order), match, str(item.get("source") or source), day, rates)


def _check_keys(item: Any, known: set[str], needed: tuple[str, ...]) -> None:
    if not isinstance(item, dict):
        raise ValueError("not a table of keys and values")
    if unknown := sorted(set(item) - known):
        raise ValueError(f"unknown {', '.join(unknown)}: there are {', '.join(sorted(known))}")
    if missing := [name for name in needed if not item.get(name)]:
        raise ValueError(f"no {', '.join(missing)}")


def check_match(match: Match) -> None:
    """Raises ValueError for a match that is none. The empty one is the rest of another entry."""
    try:
        if match:
            test_of(match)("")
    except (ValueError, TypeError, re.error, RecursionError) as error:
        raise ValueError(f"{str(match)[:80]} is no match: {error}") from error


def check_window(text: str) -> None:
    """Raises ValueError for a daily window that is none."""
    if not _WINDOW.fullmatch(text):
        raise ValueError(f"{text!r} is no daily window: 01:00-04:00, with weekdays 01:00-04:00 1-5")


def _rate(item: Any, place: str) -> Rate:
    try:
        _check_keys(item, _RATE_KEYS, needed=("unit", "amount", "per"))
        if not isinstance(item["amount"], str) or not isinstance(item["per"], int) or item["per"] <= 0:
            raise ValueError("an amount is text, since a float is not exact, for a whole number of units")
        rational_from_text(item["amount"])
        if (item.get("threshold", 0) > 0) != (item.get("op", "") in (">", ">=")):
            raise ValueError("a threshold needs its operator")
        start, end = (_moment(item.get(name, "")) for name in ("from", "to"))
        return Rate(
            unit=str(item["unit"]),
            amount=item["amount"],
            per=item["per"],
            context=tuple(sorted((key, str(value)) for key, value in item.get("context", {}).items())),
            threshold=item.get("threshold", 0),
            op=item.get("op", ""),
            window=item.get("window", ""),
            effective_from=start,
            effective_to=end,
            effective_kind=str(item.get("kind", "published")) if start or end else "",
            minimum=item.get("minimum", 0),
            increment=item.get("increment", 0),
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{place}: {error}") from error


def _moment(value: Any) -> str:
    """A date or time in UTC as text. Raises ValueError."""
    text = str(value).replace(" ", "T")
    unix_ns(text, 0)
    return text
