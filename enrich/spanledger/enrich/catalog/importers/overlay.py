"""Our own overlay: a TOML file of prices we looked up ourselves, each with its source and the day it was read; it wins over imports."""

from __future__ import annotations

import tomllib
from typing import Any

from spanledger.enrich.catalog.rows import OVERLAY, Entry, Rate
from spanledger.enrich.money import rational_from_text

_ENTRY_KEYS = {"provider", "models", "match", "source", "verified_on", "note", "rates"}
_RATE_KEYS = {"unit", "amount", "per", "context", "threshold", "op", "window", "from", "to"}


def read(text: str) -> list[Entry]:
    """The entries of an overlay. Raises ValueError for unknown or missing keys, so that a misspelt one is not silently nothing."""
    found: list[Entry] = []
    for order, item in enumerate(tomllib.loads(text).get("entry", [])):
        unknown = set(item) - _ENTRY_KEYS
        if unknown or not item.get("source") or not item.get("verified_on"):
            raise ValueError(f"overlay entry {order}: unknown {sorted(unknown)} or no source or verified_on")
        names = [name.lower() for name in item.get("models", [])]
        match = item.get("match") or ["any", [["equals", name] for name in names]]
        model = names[0] if names else "*"
        rates = tuple(sorted(_rate(rate, order) for rate in item["rates"]))
        found.append(Entry(item["provider"], model, OVERLAY, order, match, item["source"], str(item["verified_on"]), rates))
    return found


def _rate(item: dict[str, Any], order: int) -> Rate:
    if set(item) - _RATE_KEYS:
        raise ValueError(f"overlay entry {order}: unknown {sorted(set(item) - _RATE_KEYS)}")
    rational_from_text(item["amount"])
    if (item.get("threshold", 0) > 0) != (item.get("op", "") in (">", ">=")):
        raise ValueError(f"overlay entry {order}: a threshold needs its operator")
    start, end = str(item.get("from", "")), str(item.get("to", ""))
    return Rate(
        unit=item["unit"],
        amount=item["amount"],
        per=item["per"],
        context=tuple(sorted(item.get("context", {}).items())),
        threshold=item.get("threshold", 0),
        op=item.get("op", ""),
        window=item.get("window", ""),
        effective_from=start,
        effective_to=end,
        effective_kind="published" if start or end else "",
    )
