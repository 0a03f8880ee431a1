"""genai-prices' own JSON (data.json, version 2 or 3) as the objects of its package, so that one importer reads both.

Numbers are read as the decimals they are written as. A form this version does not know is an error that names the model: a price list
that is read half would price calls wrongly.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, time
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from spanledger.enrich.catalog.importers import genai
from spanledger.enrich.catalog.rows import Entry

_CLAUSES = {"equals": "equals", "starts_with": "starts_with", "ends_with": "ends_with", "contains": "contains", "regex": "regex"}
_LISTS = {"or": "or_", "and": "and_"}
_ENDINGS = {
    # how a price key ends: how the unit it prices ends, and for how many of it the price is
    "_mtok": ("_tokens", 1_000_000),
    "_mchars": ("_characters", 1_000_000),
    "_gpixels": ("_pixels", 1_000_000_000),
    "_kpages": ("_pages", 1000),
    "_kcount": ("", 1000),
    "_hours": ("_seconds", 3600),
}


def read(text: str, source: str, log: list[str]) -> list[Entry]:
    """All models of a data.json. What was changed or left out is told in `log`. Raises ValueError for anything it cannot mean."""
    raw = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    providers = raw.get("providers") if isinstance(raw, dict) else raw
    if not isinstance(providers, list) or not providers:
        raise ValueError("not genai-prices' data.json: no list of providers")
    found = [_provider(one) for one in providers]
    units = {usage_key: {"price_key": key, "per": per} for key in sorted(_price_keys(found)) for usage_key, per in [unit_of(key)]}
    return genai.entries(found, units, source, log)


def unit_of(price_key: str) -> tuple[str, int]:
    """The usage unit of a price key, and how many of it one price is for: "input_mtok" prices 1,000,000 "input_tokens"."""
    for ending, (unit, per) in _ENDINGS.items():
        if price_key.endswith(ending):
            return price_key.removesuffix(ending) + unit, per
    raise ValueError(f"unknown price {price_key!r}")


def _price_keys(providers: list[SimpleNamespace]) -> set[str]:
    return {key for provider in providers for model in provider.models for prices in _price_sets(model) for key in vars(prices)}


def _price_sets(model: SimpleNamespace) -> Iterator[SimpleNamespace]:
    yield from ([item.prices for item in model.prices] if isinstance(model.prices, list) else [model.prices])
    yield from (variant.prices for variant in model.price_variants)


def _provider(raw: dict[str, Any]) -> SimpleNamespace:
    try:
        return SimpleNamespace(id=str(raw["id"]), models=[_model(str(raw["id"]), one) for one in raw["models"]])
    except (KeyError, TypeError) as error:
        raise ValueError(f"not genai-prices' data.json: a provider without {error}") from error


def _model(provider: str, raw: dict[str, Any]) -> SimpleNamespace:
    name = f"{provider} {raw.get('id', '?') if isinstance(raw, dict) else '?'}"
    try:
        prices = raw["prices"]
        return SimpleNamespace(
            id=str(raw["id"]),
            match=_clause(raw["match"]),
            prices=[_conditional(one) for one in prices] if isinstance(prices, list) else _prices(prices),
            price_variants=[_variant(one) for one in raw.get("price_variants") or ()],
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{name}: {error if isinstance(error, ValueError) else f'a form that is not known ({error})'}") from error


def _clause(raw: dict[str, Any]) -> SimpleNamespace:
    for key, value in raw.items():
        if key in _CLAUSES:
            return SimpleNamespace(**{key: str(value)})
        if key in _LISTS:
            return SimpleNamespace(**{_LISTS[key]: [_clause(one) for one in value]})
    raise ValueError(f"unknown clause {', '.join(raw)}")


def _prices(raw: dict[str, Any]) -> SimpleNamespace:
    return SimpleNamespace(**{key: _amount(value) for key, value in raw.items() if value is not None})


def _amount(value: Any) -> Any:
    if isinstance(value, Decimal):
        return value
    tiers = [SimpleNamespace(start=int(tier["start"]), price=tier["price"]) for tier in value["tiers"]]
    return SimpleNamespace(base=value["base"], tiers=tiers)


def _conditional(raw: dict[str, Any]) -> SimpleNamespace:
    return SimpleNamespace(constraint=_constraint(raw.get("constraint")), prices=_prices(raw["prices"]))


def _variant(raw: dict[str, Any]) -> SimpleNamespace:
    constraint = _constraint(raw.get("constraint"))
    if constraint is not None and not hasattr(constraint, "start_date"):
        raise ValueError("a price variant with a time of day")
    return SimpleNamespace(when=dict(raw["when"]), constraint=constraint, prices=_prices(raw["prices"]))


def _constraint(raw: dict[str, Any] | None) -> SimpleNamespace | None:
    if raw is None:
        return None
    if "start_date" in raw:
        return SimpleNamespace(start_date=date.fromisoformat(raw["start_date"]))
    if "start_time" in raw:
        return SimpleNamespace(start_time=_utc(raw["start_time"]), end_time=_utc(raw["end_time"]))
    raise ValueError(f"unknown constraint {', '.join(raw)}")


def _utc(text: str) -> time:
    found = time.fromisoformat(text)
    if found.utcoffset():
        raise ValueError(f"a time that is not UTC: {text}")
    return found.replace(tzinfo=None)
