"""The price catalog as rows: the models it knows, and every rate of one with its conditions, dates and source."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from spanledger.cli.errors import UserError
from spanledger.cli.explaining import Entry, FindRate, RateInfo
from spanledger.enrich.price import Catalog, ShownModel, ShownRate
from spanledger.enrich.providers import canonical_provider
from spanledger.store.times import parse_time

Rows = tuple[Sequence[str], Sequence[Sequence[Any]]]

RATE_OPTIONAL = ("verified_on", "window", "effective_kind", "rate_id", "tier", "effective_to", "provider", "source")
"""What a table of rates does without on a narrow terminal, or where nothing is in it."""

_NEAR_MAX = 5


def model_rows(search: str | None, provider: str | None) -> Rows:
    """Every model with prices whose name contains `search`."""
    wanted = (search or "").lower()
    found = [model for model in Catalog.shipped().models(_canonical(provider)) if wanted in model.model.lower()]
    if not found:
        raise UserError(
            f"no model {f'with {search!r} in its name ' if search else ''}{f'of provider {provider} ' if provider else ''}has a price"
        )
    return ShownModel._fields, found


def rate_rows(model: str, provider: str | None, at: str | None) -> Rows:
    """Every rate that a model has at a time (default now; `ever` for all of them), found as a call naming it would be."""
    catalog = Catalog.shipped()
    at_ns = None if at == "ever" else parse_time(at or "now", time.time_ns())
    rates = catalog.rates_for(_canonical(provider), model, at_ns)
    if not rates:
        raise UserError(_no_rates(catalog, model, provider, at))
    rows = [[_shown(name, value) for name, value in zip(ShownRate._fields, rate, strict=True)] for rate in rates]
    return ShownRate._fields, rows


def _shown(name: str, value: Any) -> Any:
    return Decimal(value) if name == "amount" else (None if value == "" else value)


def _no_rates(catalog: Catalog, model: str, provider: str | None, at: str | None) -> str:
    if at != "ever" and catalog.rates_for(_canonical(provider), model, None):
        return f"{model} has prices, but none in force {f'on {at}' if at else 'now'}: see --at ever"
    near = [each.model for each in catalog.models(_canonical(provider)) if model.lower() in each.model.lower()][:_NEAR_MAX]
    hint = f"; there are {', '.join(near)}" if near else "; `spanledger prices list` shows what there is"
    return f"no prices for {model}{f' of {provider}' if provider else ''}{hint}"


def _canonical(provider: str | None) -> str | None:
    return None if provider is None else (canonical_provider(provider) or provider)


def rate_finder() -> FindRate:
    """Looks rates up in the shipped catalog, as the call of an entry would have found them."""
    catalog = Catalog.shipped()
    known: dict[tuple[Any, ...], dict[str, RateInfo]] = {}

    def find(rate_id: str, entry: Entry) -> RateInfo | None:
        key = (entry["provider"], entry["response_model"], entry["request_model"])
        if key not in known:
            shown = [rate for model in key[1:] if model for rate in catalog.rates_for(key[0], model)]
            known[key] = {rate.rate_id: RateInfo(rate.source, rate.effective_from or None, rate.effective_to or None) for rate in shown}
        return known[key].get(rate_id)

    return find
