"""LiteLLM's model map (MIT, Berri AI) as catalog cells: it fills what the base has no price for.

Its keys are units, tiers and thresholds joined by underscores; amounts are for one unit, as floats written out. It has no dates.
Zeros in it mean "none" or "not known" and never become a price of nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from spanledger.enrich.catalog.importers.amounts import MILLION, clean
from spanledger.enrich.catalog.rows import MULTIPLIER, Rate
from spanledger.enrich.providers import catalog_provider

_TOKEN_KEYS = {
    "input_cost_per_token": "input_tokens",
    "output_cost_per_token": "output_tokens",
    "cache_read_input_token_cost": "cache_read_tokens",
    "cache_creation_input_token_cost": "cache_write_tokens",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h_tokens",
    "cache_creation_input_token_cost_above_12hr": "cache_write_12h_tokens",
    "output_cost_per_reasoning_token": "reasoning_tokens",
    "citation_cost_per_token": "citation_tokens",
    **{f"{way}_cost_per_{kind}_token": f"{way}_{kind}_tokens" for way in ("input", "output") for kind in ("audio", "image", "video")},
    **{f"cache_read_input_{kind}_token_cost": f"cache_read_{kind}_tokens" for kind in ("audio", "image", "video")},
    "cache_creation_input_audio_token_cost": "cache_write_audio_tokens",
}
_PIECE_KEYS = {
    # key: our unit, and how many of it one of theirs is
    "input_cost_per_request": ("requests", 1),
    "output_cost_per_image": ("images", 1),
    "input_cost_per_image": ("input_images", 1),
    "input_cost_per_character": ("input_characters", 1),
    "ocr_cost_per_page": ("pages", 1),
    "annotation_cost_per_page": ("annotated_pages", 1),
    "code_interpreter_cost_per_session": ("code_interpreter_sessions", 1),
    "google_maps_grounding_cost_per_query": ("maps_grounding_requests", 1),
}
_UPLIFTS = {
    # key: the region whose calls cost that many times as much
    "regional_processing_uplift_multiplier_eu": "eu",
    "regional_processing_uplift_multiplier_us": "us",
    "regional_endpoint_uplift_multiplier": "*",
}
_TIERS = "batches|flex|priority|ultrafast|balanced|decisions"
_KEY = re.compile(rf"(?P<base>.+?)(?:_above_(?P<thousands>[0-9]+)k_tokens)?(?:_(?P<tier>{_TIERS}))?")
_SIZED_IMAGE = re.compile(r"(?:^|/)(?:[0-9]+-x-[0-9]+|hd|high|low|medium|standard|max-steps|[0-9]+-steps)(?:/|$)")
_ZONE = re.compile(r"(?P<region>us|eu|us-gov|global|global-standard|[a-z]{2}(?:-gov)?-[a-z]+-[0-9])/(?P<model>.+)")
_OR_MORE = frozenset({"x_ai"})
"""Providers whose long-context price begins at the threshold itself."""


class Cells(NamedTuple):
    """What LiteLLM says of one model name of one provider; `region` is "" where the name holds everywhere."""

    provider: str
    model: str
    region: str
    source: str
    rates: tuple[Rate, ...]


def read(text: str, log: list[str]) -> list[Cells]:
    """Every usable entry of the model map. What was left out is told in `log`."""
    found = []
    for key, value in json.loads(text, parse_float=str, parse_int=str).items():
        label = value.get("litellm_provider")
        if key == "sample_spec" or not label or "*" in key or "commitment" in key or _SIZED_IMAGE.search(key):
            log.append(f"litellm key not modelled: {key}")
            continue
        provider = catalog_provider(label)
        region, model = _region_and_model(key, label, provider)
        rates = tuple(sorted(set(_rates(value, provider))))
        if rates:
            found.append(Cells(provider, model, region, value.get("source", ""), rates))
    return found


def _region_and_model(key: str, label: str, provider: str) -> tuple[str, str]:
    """The name without LiteLLM's routing prefix, lower-case, and the region some names carry ("azure/eu/gpt-4o")."""
    head, _, tail = key.partition("/")
    name = tail if tail and (head in (label, "bedrock", "vertex_ai") or catalog_provider(head) == provider) else key
    if provider in ("azure.ai.openai", "azure.ai.inference", "aws.bedrock") and (zone := _ZONE.fullmatch(name)):
        region = "" if zone["region"].startswith("global") else zone["region"]
        return region, zone["model"].lower()
    return "", name.lower()


def _rates(value: dict[str, Any], provider: str) -> Iterator[Rate]:
    mode = value.get("mode", "")
    for key, amount in value.items():
        match = _KEY.fullmatch(key)
        if match is None or not isinstance(amount, str):
            continue
        if match["base"] in _TOKEN_KEYS:
            threshold = int(match["thousands"] or 0) * 1000
            yield from _rate(_TOKEN_KEYS[match["base"]], amount, MILLION, _context(match["tier"]), threshold, provider)
        elif match["base"] in _PIECE_KEYS and not match["thousands"]:
            unit, per = _PIECE_KEYS[match["base"]]
            yield from _rate(unit, amount, per, _context(match["tier"]))
    yield from _seconds(value, mode)
    yield from _uplifts(value)
    if "input_cost_per_query" in value and mode in ("rerank", "search"):
        yield from _rate("search_units" if mode == "rerank" else "web_search_requests", value["input_cost_per_query"], 1, ())
    yield from _searches(value.get("search_context_cost_per_query") or {})
    for tier in value.get("tiered_pricing") or ():
        threshold = int(Decimal(str(tier.get("range", [0])[0])))
        for key, amount in tier.items():
            if key in _TOKEN_KEYS and isinstance(amount, str):
                yield from _rate(_TOKEN_KEYS[key], amount, MILLION, (), threshold, provider)
    off_peak = value.get("off_peak_pricing") or {}
    for window in windows(off_peak.get("windows") or ()):
        for key, amount in off_peak.items():
            if key in _TOKEN_KEYS:
                for rate in _rate(_TOKEN_KEYS[key], amount, MILLION, ()):
                    yield rate._replace(window=window)


def _context(tier: str | None) -> tuple[tuple[str, str], ...]:
    return (("service_tier", "batch" if tier == "batches" else tier),) if tier else ()


def _seconds(value: dict[str, Any], mode: str) -> Iterator[Rate]:
    """Prices per second of audio in (transcription) or of audio or video out; transcriptions repeat theirs as output."""
    if mode == "audio_transcription" and "input_cost_per_second" in value:
        yield from _rate("audio_ms", value["input_cost_per_second"], 1000, ())
    elif mode == "audio_speech" and "output_cost_per_second" in value:
        yield from _rate("output_audio_ms", value["output_cost_per_second"], 1000, ())
    elif mode == "video_generation" and "output_cost_per_second" in value:
        yield from _rate("output_video_ms", value["output_cost_per_second"], 1000, ())


def _uplifts(value: dict[str, Any]) -> Iterator[Rate]:
    """What calls in a region cost more, as multipliers of all token rates."""
    specific = value.get("provider_specific_entry") or {}
    named = {region: value[key] for key, region in _UPLIFTS.items() if key in value}
    for region, factor in {**named, **({"us": specific["us"]} if "us" in specific else {})}.items():
        yield Rate(MULTIPLIER, clean(Decimal(factor))[0], 1, (("region", region),))


def _searches(by_size: dict[str, str]) -> Iterator[Rate]:
    """Web searches: one price, or one for each search context size."""
    amounts = {Decimal(amount) for amount in by_size.values()}
    if len(amounts) == 1:
        yield from _rate("web_search_requests", next(iter(by_size.values())), 1000, ())
    else:
        for size, amount in by_size.items():
            context = (("search_context_size", size.removeprefix("search_context_size_")),)
            yield from _rate("web_search_requests", amount, 1000, context)


def windows(spans: Any) -> Iterator[str]:
    """Daily windows as Rate.window has them: ("10:00-00:00 1-5")."""
    for span in spans:
        hours = [span["hours_utc"]] if isinstance(span["hours_utc"], str) else span["hours_utc"]
        days = sorted(int(day) for day in span.get("weekdays") or ())
        text = f" {days[0]}-{days[-1]}" if days and days != list(range(1, 8)) else ""
        if days and days != list(range(days[0], days[-1] + 1)):
            raise ValueError(f"weekdays with gaps: {days}")
        yield from (f"{hour}{text}" for hour in hours)


def _rate(unit: str, amount: str, per: int, context: tuple[tuple[str, str], ...], threshold: int = 0, provider: str = "") -> Iterator[Rate]:
    """The amount, theirs for one unit, as ours for `per`; nothing for zero."""
    value = Decimal(amount) * (per if per in (MILLION, 1000) and unit not in ("audio_ms", "output_audio_ms", "output_video_ms") else 1)
    if value > 0:
        op = "" if not threshold else ">=" if provider in _OR_MORE else ">"
        yield Rate(unit, clean(value)[0], per, context, threshold, op)
