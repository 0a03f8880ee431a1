"""Counts of a span to canonical usage: what is a count at all, and which total contains which part.

The conventions' totals include every part. Emitters differ, so a dialect says what its totals hold (`inside`, `outside`), and the
identities check it: a part larger than its total cannot be inside, and a total of both tells which reading adds up.
Nothing is clamped: what contradicts itself is read by the identity and flagged.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from spanledger.enrich.dialects.dialect import Shape
from spanledger.enrich.records import Usage

COUNT_MAX: Final = 10**12
"""No call has more of anything; a larger number is not a count."""
_NUMERAL: Final = re.compile(r"\s*([0-9]{1,13})(?:\.0+)?\s*")

INPUT, OUTPUT, TOTAL, READ, WRITE, WRITE_5M, WRITE_1H, REASONING = range(8)
EXTRA: Final = 8
"""Counts are lists in this order, followed by the shape's extra units sorted by name."""


class Reckoned(NamedTuple):
    """What counts amount to: `basis` names how the totals were read, `flags` what was odd."""

    usage: Usage | None
    basis: str
    flags: tuple[str, ...]


def sane_count(value: object, flags: list[str]) -> int | None:
    """The count a wire value stands for; None and a flag where it is none.

    Whole doubles and numerals in a text are counts; NaN is none: AI SDK streams say it for "unknown".
    """
    if value is None or value == "":
        return None
    if type(value) is int:
        count = value
    elif type(value) is float and value.is_integer():
        count = int(value)
    elif type(value) is str and (numeral := _NUMERAL.fullmatch(value)):
        count = int(numeral.group(1))
    else:
        flags.append("bad_count")
        return None
    if 0 <= count <= COUNT_MAX:
        return count
    flags.append("negative_count" if count < 0 else "bad_count")
    return None


def reckon(shape: Shape, counts: list[int | None], flags: list[str]) -> Reckoned:
    """Canonical usage of the counts that a shape found on a span; no usage where neither a total nor anything beside them is there."""
    for part in shape.zero_is_unknown:
        index = _INDEX[part]
        if counts[index] == 0:
            counts[index] = None
            flags.append(f"{part}_unknown")
    _write_of_parts(counts, flags)
    if counts[INPUT] is None and counts[OUTPUT] is None:
        counts[INPUT] = _input_of_total(counts)
        if counts[INPUT] is None:
            return _without_totals(shape, counts, flags)
    extras = sorted(shape.extra)
    _rest_of_total(shape, counts)
    cache_note = _read_input(shape, counts, extras, flags)
    reasoning_note = _read_output(shape, counts, extras, flags)
    flags.extend(f"{part}_untold" for part in shape.untold if _index_of(part) is None or counts[_INDEX[part]] is None)
    more = tuple((unit, count) for unit, count in zip(extras, counts[EXTRA:], strict=False) if count)
    usage = Usage(
        counts[INPUT],
        counts[OUTPUT],
        counts[READ],
        counts[WRITE],
        counts[WRITE_5M],
        counts[WRITE_1H],
        counts[REASONING],
        more,
    )
    basis = ",".join(note for note in (shape.name, cache_note, reasoning_note) if note)
    return Reckoned(usage, basis, tuple(sorted(set(flags))))


_INDEX: Final = {
    "input": INPUT,
    "output": OUTPUT,
    "total": TOTAL,
    "cache_read": READ,
    "cache_write": WRITE,
    "cache_write_5m": WRITE_5M,
    "cache_write_1h": WRITE_1H,
    "reasoning": REASONING,
}


def _without_totals(shape: Shape, counts: list[int | None], flags: list[str]) -> Reckoned:
    """What is counted in other units than tokens; parts of totals that are not there say nothing."""
    beside = zip(sorted(shape.extra), counts[EXTRA:], strict=False)
    more = tuple((unit, count) for unit, count in beside if count and not unit.endswith("_tokens"))
    return Reckoned(Usage(extra=more) if more else None, shape.name if more else "", tuple(sorted(set(flags))))


def _index_of(part: str) -> int | None:
    return _INDEX.get(part)


def _write_of_parts(counts: list[int | None], flags: list[str]) -> None:
    """Cache writes are the sum of their TTLs where the whole is not told, or told as zero beside them; a TTL is the rest of the other."""
    whole, short, long = counts[WRITE], counts[WRITE_5M], counts[WRITE_1H]
    if short is not None and long is not None:
        if not whole:
            counts[WRITE] = short + long
        elif whole != short + long:
            flags.append("cache_write_mismatch")
            if whole < short + long:
                counts[WRITE] = short + long
    elif whole is not None and short is None and long is not None:
        if long <= whole:
            counts[WRITE_5M] = whole - long
        else:
            flags.append("cache_write_mismatch")
            counts[WRITE], counts[WRITE_5M] = whole + long, whole
    elif whole is not None and long is None and short is not None and short <= whole:
        counts[WRITE_1H] = whole - short
    elif whole is None and (short is not None or long is not None):
        counts[WRITE] = (short or 0) + (long or 0)


def _input_of_total(counts: list[int | None]) -> int | None:
    """An embedding that only tells its total: all of it is input."""
    return counts[TOTAL] or None


def _rest_of_total(shape: Shape, counts: list[int | None]) -> None:
    total, given, made = counts[TOTAL], counts[INPUT], counts[OUTPUT]
    if not shape.rest_of_total or total is None or given is None or made is None:
        return
    index = _INDEX[shape.rest_of_total]
    if counts[index] is None and total > given + made:
        counts[index] = total - given - made


def _read_input(shape: Shape, counts: list[int | None], extras: list[str], flags: list[str]) -> str:
    given, read, write = counts[INPUT], counts[READ] or 0, counts[WRITE] or 0
    beside = _extra_outside(shape, counts, extras, "input")
    if given is None:
        return ""
    counts[INPUT] = given + beside
    if counts[READ] is None and counts[WRITE] is None:
        return ""
    outside = (read if "cache_read" in shape.outside else 0) + (write if "cache_write" in shape.outside else 0)
    told = "cache_read" in shape.inside or "cache_write" in shape.inside or "cache_read" in shape.outside or "cache_write" in shape.outside
    if told:
        inside = read + write - outside
        if inside > given:
            flags.append("cache_exceeds_input")
            counts[INPUT] = given + beside + read + write
            return "input_excludes_cache_by_identity"
        counts[INPUT] = given + beside + outside
        return "input_excludes_cache" if outside or (not inside and shape.outside) else "input_includes_cache"
    return _decide_cache(counts, flags, given + beside, read + write)


def _decide_cache(counts: list[int | None], flags: list[str], given: int, cached: int) -> str:
    """Nobody says whether the input holds the cached tokens: the identities decide, else the convention, flagged."""
    total, made = counts[TOTAL], counts[OUTPUT] or 0
    if cached > given or (cached and total is not None and total == given + cached + made):
        counts[INPUT] = given + cached
        return "input_excludes_cache_by_identity"
    if cached and (total is None or total != given + made):
        flags.append("cache_basis_assumed")
        return "input_includes_cache_by_convention"
    return "input_includes_cache"


def _read_output(shape: Shape, counts: list[int | None], extras: list[str], flags: list[str]) -> str:
    made, reasoning = counts[OUTPUT], counts[REASONING]
    if made is None:
        return ""
    made += _extra_outside(shape, counts, extras, "output")
    counts[OUTPUT] = made
    if reasoning is None:
        return ""
    if "reasoning" in shape.doubled and reasoning * 2 <= made:
        counts[OUTPUT] = made - reasoning
        return "output_counts_reasoning_twice"
    if "reasoning" in shape.outside or (shape.rest_of_total == "reasoning" and "reasoning" not in shape.inside):
        counts[OUTPUT] = made + reasoning
        return "output_excludes_reasoning"
    if reasoning > made:
        if "reasoning" in (*shape.inside, *shape.doubled):
            flags.append("reasoning_exceeds_output")
        counts[OUTPUT] = made + reasoning
        return "output_excludes_reasoning_by_identity"
    if "reasoning" in shape.inside or not reasoning:
        return "output_includes_reasoning"
    return _decide_reasoning(counts, flags, made, reasoning)


def _decide_reasoning(counts: list[int | None], flags: list[str], made: int, reasoning: int) -> str:
    total, given = counts[TOTAL], counts[INPUT] or 0
    if total is not None and total == given + made + reasoning:
        counts[OUTPUT] = made + reasoning
        return "output_excludes_reasoning_by_identity"
    if total is None or total != given + made:
        flags.append("reasoning_basis_assumed")
        return "output_includes_reasoning_by_convention"
    return "output_includes_reasoning"


def _extra_outside(shape: Shape, counts: list[int | None], extras: list[str], side: str) -> int:
    """The sum of extra token units of one side that the total does not hold."""
    if len(counts) == EXTRA or not shape.outside:
        return 0
    pairs = zip(extras, counts[EXTRA:], strict=False)
    return sum(count or 0 for unit, count in pairs if unit in shape.outside and unit.startswith(side) and unit.endswith("_tokens"))
