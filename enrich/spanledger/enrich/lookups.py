"""Where the counts of spans with a certain set of keys are: what is left of a dialect's usage shapes once the keys are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, NamedTuple

from spanledger.enrich.dialects.dialect import ALWAYS, SHAPE_PARTS, Dialect, Shape
from spanledger.enrich.refs import split_ref
from spanledger.enrich.usage import EXTRA, INPUT, OUTPUT, READ, REASONING, WRITE

FactMap = Mapping[Any, Any]


class Lookups(NamedTuple):
    """What a set of keys leaves of a shape: `plain` and `refs` are (index into the counts, attribute or reference), `size` the counts.

    `scaled` are (index, reference, factor) of quantities that are given in larger units.
    """

    shape: Shape
    plain: tuple[tuple[int, str], ...]
    refs: tuple[tuple[int, str], ...]
    size: int
    scaled: tuple[tuple[int, str, int], ...] = ()


def present(refs: tuple[str, ...], keys: frozenset[str]) -> tuple[str, ...]:
    """The references whose attributes are among `keys`."""
    return tuple(ref for ref in refs if split_ref(ref)[0] in keys)


def lookups_of(shape: Shape, keys: frozenset[str]) -> Lookups | None:
    """What a set of keys leaves of a shape; None where nothing of it can be counted."""
    extras = sorted(shape.extra)
    lists = [*(getattr(shape, part) for part in SHAPE_PARTS), *(shape.extra[unit] for unit in extras)]
    found = [(place, ref) for place, refs in enumerate(lists) for ref in refs if split_ref(ref)[0] in keys]
    if not found:
        return None
    scaled = tuple((place, ref, shape.scaled[ref]) for place, ref in found if ref in shape.scaled)
    found = [(place, ref) for place, ref in found if ref not in shape.scaled]
    plain = [(place, ref) for place, ref in found if "#" not in ref]
    more = [(place, ref) for place, ref in found if "#" in ref]
    if any(place in {p for p, _ in plain} for place, _ in more):  # one order of preference for both
        plain, more = [], found
    has_extras = bool(scaled) or any(place >= EXTRA for place, _ in found)
    return Lookups(shape, tuple(plain), tuple(more), len(lists) if has_extras else EXTRA, scaled)


def usual_getter(dialect: Dialect, lookups: tuple[Lookups | None, ...]) -> tuple[Callable[[FactMap], Any] | None, str]:
    """(getter of input, output, cache read, cache write, reasoning; basis) where only the usual reading applies, else (None, "").

    That is: one shape without condition, each count at one plain attribute, every part inside its total, nothing else asked for.
    """
    if (
        len(lookups) != 1
        or lookups[0] is None
        or lookups[0].refs
        or lookups[0].scaled
        or dialect.shapes[0].when != ALWAYS
        or dialect.json_scalars
    ):
        return None, ""
    shape, places = dialect.shapes[0], dict(lookups[0].plain)
    parts = {READ: "cache_read", WRITE: "cache_write", REASONING: "reasoning"}
    usual = (
        len(places) == len(lookups[0].plain)
        and {INPUT, OUTPUT} <= places.keys() <= {INPUT, OUTPUT, *parts}
        and all(part in shape.inside for place, part in parts.items() if place in places)
        and not (shape.doubled or shape.rest_of_total or shape.zero_is_unknown or shape.untold)
    )
    if not usual:
        return None, ""
    notes = [
        shape.name,
        "input_includes_cache" if places.keys() & {READ, WRITE} else "",
        "output_includes_reasoning" if REASONING in places else "",
    ]
    found = itemgetter(*(places.get(place) for place in (INPUT, OUTPUT, READ, WRITE, REASONING)))
    return found, ",".join(note for note in notes if note)


def getter(keys: set[str]) -> Callable[[FactMap], Any]:
    """Takes the values of some attributes from the facts, as one thing to remember by."""
    return itemgetter(*sorted(keys)) if keys else _nothing


def _nothing(_: FactMap) -> tuple[()]:
    return ()
