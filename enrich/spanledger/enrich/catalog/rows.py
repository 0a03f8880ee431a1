"""The records a catalog is made of and their one canonical spelling, from which rate ids and the catalog's id are hashed.

A catalog is an immutable set of dated rates. Amounts are text, exactly as published per `per` units; nothing here does arithmetic.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

Match: TypeAlias = Sequence[Any]
"""Which model names a rate is for, as nested lists: ["equals", "gpt-5"], ["prefix", …], ["suffix", …], ["contains", …], ["regex", …],
["any", [match, …]], ["all", [match, …]]. An empty list is the rest of the base entry of the same model (see Entry.rank)."""

OVERLAY, BASE, FILL = 2, 1, 0
"""Ranks: our own overlay, genai-prices, and LiteLLM where genai-prices says nothing."""
RANK_NAMES = {OVERLAY: "overlay", BASE: "base", FILL: "fill"}
"""What they are called where people write them."""
RANKS = 3
"""How many there are: entries of a file on top of another count theirs from there."""


MULTIPLIER = "*"
"""The unit of a multiplier of token rates."""


class Rate(NamedTuple):
    """One published price: `amount` USD (decimal text) for `per` `unit`s, where and when it holds.

    `context` is what a call must be for it, as sorted (key, value) pairs: service_tier ("batch", "flex", "priority", …), region,
    search_context_size. `threshold` and `op` (">" or ">=") make it a long-context rate of the whole request, by its total input tokens.
    `window` is a daily window in UTC with weekdays ("01:00-04:00 1-5"; 1 is Monday). `effective_from` (inclusive) and `effective_to`
    (exclusive) are ISO dates or UTC times; "" is unknown, which means as long as the model is known. `effective_kind` is "published"
    where the price's own source gives the date, "observed" where it is the day somebody first saw the price, "" without dates.
    A quantity is rounded up to `minimum`, and to a multiple of `increment`, before it is billed. A rate of the unit MULTIPLIER is no price:
    every token rate that holds without a region of its own is multiplied by its amount.
    """

    unit: str
    amount: str
    per: int
    context: tuple[tuple[str, str], ...] = ()
    threshold: int = 0
    op: str = ""
    window: str = ""
    effective_from: str = ""
    effective_to: str = ""
    effective_kind: str = ""
    minimum: int = 0
    increment: int = 0


class Entry(NamedTuple):
    """All rates that one source has for one model of one provider.

    `rank` says whose they are; of BASE entries the first by `order` that matches a name is taken, a FILL entry with an empty match adds
    to the BASE entry of its model, OVERLAY entries are taken all. `verified_on` is an ISO date, "" where nobody says.
    """

    provider: str
    model: str
    rank: int
    order: int
    match: Match
    source: str
    verified_on: str
    rates: tuple[Rate, ...]


def canonical_json(value: object) -> str:
    """JSON with one spelling per value: sorted keys, no spaces, UTF-8 kept."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def entry_line(entry: Entry) -> str:
    """The canonical line of an entry."""
    return canonical_json([*entry[:-1], [rate_fields(rate) for rate in sorted(entry.rates)]])


def rate_fields(rate: Rate) -> list[Any]:
    """A rate as a JSON list without its empty tail, which most rates have."""
    fields: list[Any] = list(rate)
    defaults: tuple[Any, ...] = tuple(Rate("", "", 0))
    while fields[-1] == defaults[len(fields) - 1]:
        fields.pop()
    return fields


def entry_from_line(line: str) -> Entry:
    """The inverse of `entry_line`."""
    provider, model, rank, order, match, source, verified_on, rates = json.loads(line)
    return Entry(provider, model, rank, order, match, source, verified_on, tuple(_rate(fields) for fields in rates))


def _rate(fields: list[Any]) -> Rate:
    if len(fields) > 3:
        fields[3] = tuple((key, value) for key, value in fields[3])
    return Rate(*fields)


def rate_id(entry: Entry, rate: Rate) -> str:
    """A stable id of a rate: the same price of the same model from the same source has it in every catalog."""
    text = canonical_json([entry.provider, entry.model, entry.source, rate_fields(rate)])
    return "r-" + sha256(text.encode()).hexdigest()[:16]


def catalog_text(entries: Iterable[Entry]) -> str:
    """The canonical text of a catalog: one line per entry, sorted. Raises ValueError where two entries are the same."""
    lines = sorted(entry_line(entry) for entry in entries)
    for one, other in pairwise(lines):
        if one == other:
            raise ValueError(f"entry twice in a catalog: {one[:120]}")
    return "".join(line + "\n" for line in lines)


def catalog_id(text: str) -> str:
    """The content id of a catalog: "rc1-" and 16 hex digits of the SHA-256 of its canonical text."""
    return "rc1-" + sha256(text.encode()).hexdigest()[:16]
