"""The units a provider can charge for, and how counts that lie inside one another are taken apart before they are priced.

Token units are parts of the two totals (`input_tokens`, `output_tokens`); all others are counted beside them. The set is open: a unit
this module does not know can still have a rate, it is then counted beside the tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TOTALS: Final = ("input_tokens", "output_tokens")

_IN, _OUT = ("direction", "input"), ("direction", "output")
_READ, _WRITE = ("cache", "read"), ("cache", "write")

PARTS: Final[dict[str, frozenset[tuple[str, str]]]] = {
    # unit: its dimensions; a unit lies inside every other whose dimensions are fewer of the same
    "input_tokens": frozenset({_IN}),
    "output_tokens": frozenset({_OUT}),
    "cache_read_tokens": frozenset({_IN, _READ}),
    "cache_write_tokens": frozenset({_IN, _WRITE}),
    **{f"cache_write_{ttl}_tokens": frozenset({_IN, _WRITE, ("ttl", ttl)}) for ttl in ("5m", "30m", "1h", "12h")},
    **{f"input_{kind}_tokens": frozenset({_IN, ("modality", kind)}) for kind in ("audio", "image", "video")},
    **{f"cache_read_{kind}_tokens": frozenset({_IN, _READ, ("modality", kind)}) for kind in ("audio", "image", "video")},
    **{f"cache_write_{kind}_tokens": frozenset({_IN, _WRITE, ("modality", kind)}) for kind in ("audio", "image", "video")},
    "reasoning_tokens": frozenset({_OUT, ("kind", "reasoning")}),
    "citation_tokens": frozenset({_OUT, ("kind", "citation")}),
    **{f"output_{kind}_tokens": frozenset({_OUT, ("modality", kind)}) for kind in ("audio", "image", "video")},
}

INSTEAD_OF_TOKENS: Final = frozenset(
    {
        "images",
        "input_images",
        "audio_ms",
        "output_audio_ms",
        "output_video_ms",
        "input_characters",
        "input_pixels",
        "pages",
        "annotated_pages",
    }
)
"""Other measures of the same work: charged where a request has no tokens, never beside them."""

CHARGED_EXTRAS: Final = frozenset(
    {"web_search_requests", "social_search_requests", "file_search_requests", "maps_grounding_requests", "search_units"}
)
"""Units a provider surely charges for, so that a call with some and no rate for them is not priced at all."""

REQUESTS: Final = "requests"
"""A fee per call: every call is one."""


class PartsExceedTotalError(ValueError):
    """Counts that should lie inside one another do not."""


def rate_units(unit: str, priced: frozenset[str]) -> tuple[str, ...]:
    """The units whose rate a count of `unit` is billed at, best first, given which units of the model have rates.

    What has no price of its own is an ordinary token of its direction: reasoning is output, a cache read without a discount is input. But a
    class of something that does have a price is never billed as another class of it: a 1-hour write is not a 5-minute write, cached audio
    not cached text. "5m" is the class of a plain `cache_write_tokens` rate.
    """
    if unit not in PARTS or unit in TOTALS:
        return (unit,)
    total = "input_tokens" if _IN in PARTS[unit] else "output_tokens"
    if unit == "cache_write_tokens":
        return (unit, "cache_write_5m_tokens", total)
    if unit == "cache_write_5m_tokens":
        return (unit, "cache_write_tokens", total)
    if unit.startswith("cache_write_"):
        written = priced & {"cache_write_tokens", "cache_write_5m_tokens"}
        return (unit,) if written else (unit, total)
    if unit.startswith("cache_read_") and unit != "cache_read_tokens":
        modality = "input_" + unit.removeprefix("cache_read_")
        return (unit,) if modality in priced else (unit, "cache_read_tokens", total)
    return (unit, total)


def disjoint(counts: Mapping[str, int]) -> dict[str, int]:
    """Token counts that lie inside one another as counts that do not: each unit less everything inside it.

    Raises PartsExceedTotalError where the parts are more than the whole. Where a total is absent its parts stand for themselves.
    """
    leaves: dict[str, int] = {}
    for unit in sorted(counts, key=lambda name: (-len(PARTS[name]), name)):
        dimensions = PARTS[unit]
        inside = sum(count for other, count in leaves.items() if dimensions < PARTS[other])
        rest = counts[unit] - inside
        if rest < 0:
            raise PartsExceedTotalError(f"{unit} {counts[unit]} holds parts of {inside}")
        leaves[unit] = rest
    return leaves
