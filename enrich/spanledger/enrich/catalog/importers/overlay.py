"""A price list as TOML: our own overlay of prices we looked up ourselves, or a user's; every entry with its source and the day."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

from spanledger.enrich.catalog.rows import OVERLAY, Entry, Rate
from spanledger.enrich.money import rational_from_text
from spanledger.enrich.plans import unix_ns

_ENTRY_KEYS = {"provider", "models", "match", "source", "verified_on", "note", "rates", "model", "rank", "order"}
_RATE_KEYS = {"unit", "amount", "per", "context", "threshold", "op", "window", "from", "to", "minimum", "increment", "kind"}
_WINDOW: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]-(?:[01][0-9]|2[0-3]):[0-5][0-9](?: [1-7]-[1-7])?")


def read(text: str, source: str = "") -> list[Entry]:
    """The entries of a price list; `source` stands for one that an entry does not have, and then for its day too.

    Raises ValueError for unknown or missing keys, so that a misspelt one is not silently nothing.
    """
    found: list[Entry] = []
    for order, item in enumerate(tomllib.loads(text).get("entry", [])):
        unknown = set(item) - _ENTRY_KEYS
        dated = (item.get("source") and item.get("verified_on")) or source
        if unknown or not dated or not item.get("provider") or not (item.get("models") or item.get("match")) or not item.get("rates"):
            raise ValueError(f"overlay entry {order}: unknown {sorted(unknown)}, or no provider, models, rates, source or verified_on")
        names = [name.lower() for name in item.get("models", [])]
        match = item.get("match") or ["any", [["equals", name] for name in names]]
        model = names[0] if names else "*"
        rates = tuple(sorted(_rate(rate, order) for rate in item["rates"]))
        said, day = item.get("source") or source, str(item.get("verified_on", ""))
        found.append(Entry(item["provider"], model, OVERLAY, order, match, said, day, rates))
    return found


def check_window(text: str) -> None:
    """Raises ValueError for a daily window that is none."""
    if not _WINDOW.fullmatch(text):
        raise ValueError(f"{text!r} is no daily window: 01:00-04:00, with weekdays 01:00-04:00 1-5")


def _rate(item: dict[str, Any], order: int) -> Rate:
    missing = {"unit", "amount", "per"} - set(item)
    if missing or set(item) - _RATE_KEYS:
        raise ValueError(f"overlay entry {order}: unknown {sorted(set(item) - _RATE_KEYS)}, missing {sorted(missing)}")
    if not isinstance(item["amount"], str) or not isinstance(item["per"], int) or item["per"] <= 0:
        raise ValueError(f"overlay entry {order}: an amount is text, since a float is not exact, for a whole number of units")
    rational_from_text(item["amount"])
    if (item.get("threshold", 0) > 0) != (item.get("op", "") in (">", ">=")):
        raise ValueError(f"overlay entry {order}: a threshold needs its operator")
    start, end = (_moment(item.get(name, "")) for name in ("from", "to"))
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
        minimum=item.get("minimum", 0),
        increment=item.get("increment", 0),
    )


def _moment(value: Any) -> str:
    """A date or time in UTC as text. Raises ValueError."""
    text = str(value).replace(" ", "T")
    unix_ns(text, 0)
    return text
