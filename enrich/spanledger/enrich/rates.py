"""Which entries of a price list a call's provider and model names mean, and what its service tier is called there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from spanledger.enrich.catalog.rows import Entry
from spanledger.enrich.catalog.stack import PriceList
from spanledger.enrich.provider_names import BEDROCK_MAKERS, SPOKEN_BY_OTHERS
from spanledger.enrich.providers import canonical_provider, known_provider, model_geography, plain_model, provider_of_model

SELLERS = {
    # a seller without a price of its own for a model charges what this other one lists for it, by its own word
    "azure.ai.openai": ("azure.ai.inference", "openai"),
    "azure.ai.inference": ("azure.ai.openai", "openai", "anthropic", "deepseek", "x_ai", "mistral_ai", "cohere", "moonshot_ai"),
    "gcp.vertex_ai": ("gcp.gemini", "anthropic"),
    "gcp.gen_ai": ("gcp.gemini", "gcp.vertex_ai", "anthropic"),
    "gcp.gemini": ("gcp.vertex_ai",),
}
"""Where else to look, in order, for the price of a model that a provider does not list itself. All others: nowhere."""

STANDARD_TIERS = frozenset(
    """
    default standard auto standard_only on_demand ondemand regular unspecified traffic_type_unspecified none null
    """.split()  # noqa: SIM905 - a list of words reads better as words
) | {""}
_TIER_NAMES = {"batches": "batch", "on_demand_flex": "flex", "on_demand_priority": "priority"}
_NAMES_MAX = 256
_MAKERS = tuple(BEDROCK_MAKERS.split("|"))
_COMPACT_DATE = re.compile(r"-(20[0-9]{2})([01][0-9])([0-3][0-9])(?![0-9])")
"""Gateways write a snapshot's date together that its maker writes with dashes; the price list has one of the two."""


def service_tier(text: str | None) -> str:
    """The name a tier has in the catalog: "" for standard, else "batch", "flex", "priority", … as the provider calls it."""
    lower = (text or "").strip().lower()[:64].removeprefix("service_tier_") if text else ""
    return "" if lower in STANDARD_TIERS else _TIER_NAMES.get(lower, lower)


class Found(NamedTuple):
    """The entries that price a call, and by whom and by which of its names they were found; without entries, by the first asked."""

    entries: list[Entry]
    provider: str | None
    model: str


def find(prices: PriceList, provider: str | None, models: Iterable[str | None]) -> Found:
    """The entries for the first of `models` (names as sent, the served one first) that the price list knows; none where it knows none.

    Looked up at the provider, then at those it sells for (SELLERS). Where the label may be wrong (a protocol others speak too, a
    label nobody knows, none at all), at last at the provider the model's name stands for.
    """
    provider = canonical_provider(provider)
    names = [model for model in models if model]
    for seller in (provider, *SELLERS.get(provider or "", ())):
        if found := _find_at(prices, seller, names, provider):
            return found
    if provider is None or provider in SPOKEN_BY_OTHERS or not known_provider(provider):
        for name in names:
            maker = provider_of_model(name)
            for seller in (maker, *SELLERS.get(maker or "", ())):
                if maker != provider and (found := _find_at(prices, seller, [name], maker)):
                    return found
    return Found([], provider, names[0] if names else "")


def find_entries(prices: PriceList, provider: str | None, models: Iterable[str | None]) -> list[Entry]:
    """The entries `find` finds."""
    return find(prices, provider, models).entries


def _find_at(prices: PriceList, seller: str | None, models: list[str], provider: str | None) -> Found | None:
    shelf = prices.shelf(seller) if seller else None
    if shelf is not None:
        for model in models:
            for name in lookup_names(seller or "", model):
                if found := shelf.find(name):
                    return Found(found, provider, model)
    return None


def lookup_names(provider: str, model: str) -> list[str]:
    """The spellings under which a provider's price list may have a model, from as it was sent to its bare name.

    A Bedrock profile of a geography has prices of its own: it is never looked up without it. A Bedrock name without its maker is what some
    instrumentations leave of it.
    """
    name = model.strip().lower()[:_NAMES_MAX]
    names = [name]
    rest = name
    while "/" in rest:
        rest = rest.split("/", 1)[1]
        names.append(rest)
    if model_geography(name) is None:
        if provider == "aws.bedrock" and not any(part in _MAKERS for part in rest.split(".")):
            names += [f"{maker}.{rest}" for maker in _MAKERS]
        names.append(plain_model(name))
    if name.startswith("ft:"):
        names.append(":".join(name.split(":")[:2]))
    names += [other.replace("@", "-") for other in names if "@" in other]
    names += [dashed for other in names if (dashed := _COMPACT_DATE.sub(r"-\1-\2-\3", other)) != other]
    return list(dict.fromkeys(names))
