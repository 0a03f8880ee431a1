"""genai-prices (MIT, Pydantic Services Inc.) as catalog entries: the base of the shipped catalog, with its history and variants.

Takes the package's own objects, so that this module needs nothing installed. What its data cannot say is decided here:
a first price without a date has no known start, a daily window starts with the last dated price before it, and models
without any price are left out unless their name says they are free.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from spanledger.enrich.catalog.importers.amounts import clean
from spanledger.enrich.catalog.rows import BASE, Entry, Match, Rate
from spanledger.enrich.providers import catalog_provider

UNITS = {
    # genai-prices usage unit: ours, where the name differs, and by how much its `per` is larger in our unit
    "output_reasoning_tokens": ("reasoning_tokens", 1),
    "output_citation_tokens": ("citation_tokens", 1),
    **{
        f"cache_{kind}_{way}_tokens": (f"cache_{way}_{kind}_tokens", 1) for kind in ("audio", "image", "video") for way in ("read", "write")
    },
    "audio_seconds": ("audio_ms", 1000),
    "input_audio_seconds": ("audio_ms", 1000),
    "output_audio_seconds": ("output_audio_ms", 1000),
    "web_searches": ("web_search_requests", 1),
    "social_searches": ("social_search_requests", 1),
    "storage_searches": ("file_search_requests", 1),
    "code_executions": ("code_execution_requests", 1),
    "rerank_searches": ("search_units", 1),
    "input_document_pages": ("pages", 1),
    "input_annotated_document_pages": ("annotated_pages", 1),
}
_CLAUSES = {"equals": "equals", "starts_with": "prefix", "ends_with": "suffix", "contains": "contains", "regex": "regex"}
_FREE = Rate("input_tokens", "0", 1_000_000), Rate("output_tokens", "0", 1_000_000)


class Period(NamedTuple):
    """One price set of a model: when it holds."""

    prices: Any
    effective_from: str
    effective_to: str
    window: str


def entries(providers: Iterable[Any], unit_data: dict[str, Any], source: str, log: list[str]) -> list[Entry]:
    """All models of genai-prices' `providers`; `unit_data` is its unit registry. What was changed or left out is told in `log`."""
    by_price_key = {unit["price_key"]: (usage_key, unit["per"]) for usage_key, unit in unit_data.items()}
    found = []
    for provider in providers:
        name = catalog_provider(provider.id)
        for order, model in enumerate(provider.models):
            rates = sorted(set(_model_rates(model, by_price_key, name, log)))
            if not rates and model.id.endswith(":free"):
                rates = sorted(_FREE)
            if not rates:
                log.append(f"no price: {name} {model.id}")
                continue
            found.append(Entry(name, model.id, BASE, order, match_of(model.match), source, "", tuple(rates)))
    return found


def match_of(clause: Any) -> Match:
    """A clause tree as a Match, names in lower case as genai-prices compares them."""
    for attribute, kind in _CLAUSES.items():
        if hasattr(clause, attribute):
            text = getattr(clause, attribute)
            return [kind, text if kind == "regex" else text.lower()]
    if hasattr(clause, "or_"):
        return ["any", [match_of(part) for part in clause.or_]]
    if hasattr(clause, "and_"):
        return ["all", [match_of(part) for part in clause.and_]]
    raise ValueError(f"unknown clause of genai-prices: {clause!r}")


def _model_rates(model: Any, by_price_key: dict[str, tuple[str, int]], provider: str, log: list[str]) -> Iterator[Rate]:
    for period in _periods(model.prices):
        for rate in _price_rates(period.prices, by_price_key, f"{provider} {model.id}", log):
            yield _dated(rate._replace(window=period.window), period.effective_from, period.effective_to, "published")
    for variant in model.price_variants or ():
        context = tuple(sorted((_context_key(key), value) for key, value in variant.when.items()))
        start = variant.constraint.start_date.isoformat() if variant.constraint is not None else ""
        for rate in _price_rates(variant.prices, by_price_key, f"{provider} {model.id}", log):
            # genai-prices dates a variant by the day it was verified: the provider offered it before
            yield _dated(rate._replace(context=context), start, "", "observed")


def _dated(rate: Rate, effective_from: str, effective_to: str, kind: str) -> Rate:
    return rate._replace(
        effective_from=effective_from, effective_to=effective_to, effective_kind=kind if effective_from or effective_to else ""
    )


def _context_key(key: str) -> str:
    """Batch and speed are service tiers here: a call has one of them."""
    return "service_tier" if key in ("processing", "speed") else key


def _periods(prices: Any) -> list[Period]:
    """The price sets of a model with their dates: each dated one ends where the next begins."""
    if not isinstance(prices, list):
        return [Period(prices, "", "", "")]
    plain = [item for item in prices if not hasattr(item.constraint, "start_time")]
    starts = ["" if item.constraint is None else item.constraint.start_date.isoformat() for item in plain]
    ends = [*starts[1:], ""]
    periods = [Period(item.prices, start, end, "") for item, start, end in zip(plain, starts, ends, strict=True)]
    for item in prices:
        if hasattr(item.constraint, "start_time"):
            window = f"{item.constraint.start_time:%H:%M}-{item.constraint.end_time:%H:%M}"
            periods.append(Period(item.prices, starts[-1], "", window))
    return periods


def _price_rates(prices: Any, by_price_key: dict[str, tuple[str, int]], who: str, log: list[str]) -> Iterator[Rate]:
    for price_key, value in sorted(vars(prices).items()):
        if value is None:
            continue
        usage_key, per = by_price_key[price_key]
        unit, factor = UNITS.get(usage_key, (usage_key, 1))
        if isinstance(value, Decimal):
            yield Rate(unit, _text(value, f"{who} {unit}", log), per * factor)
            continue
        yield Rate(unit, _text(value.base, f"{who} {unit}", log), per * factor)
        for tier in value.tiers:
            op, threshold = threshold_of(tier.start)
            yield Rate(unit, _text(tier.price, f"{who} {unit}", log), per * factor, threshold=threshold, op=op)


def threshold_of(start: int) -> tuple[str, int]:
    """genai-prices' tiers begin above `start`; it writes "200,000 or more" as above 199,999."""
    return (">=", start + 1) if start % 1000 == 999 else (">", start)


def _text(amount: Decimal, who: str, log: list[str]) -> str:
    text, changed = clean(amount)
    if changed:
        log.append(f"float noise: {who} {amount} -> {text}")
    return text
