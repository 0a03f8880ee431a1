"""Counts to canonical usage: what is a count, and which total holds which part."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.enrich.dialects.dialect import Shape
from spanledger.enrich.records import Usage
from spanledger.enrich.usage import COUNT_MAX, Reckoned, reckon, sane_count

PARTS = ("cache_read", "cache_write", "reasoning")
INSIDE = Shape(name="s", inside=PARTS)
OUTSIDE = Shape(name="s", outside=PARTS)
UNDECIDED = Shape(name="s")


def counts(
    given: int | None = None,
    made: int | None = None,
    *,
    total: int | None = None,
    read: int | None = None,
    write: int | None = None,
    short: int | None = None,
    long: int | None = None,
    reasoning: int | None = None,
) -> list[int | None]:
    return [given, made, total, read, write, short, long, reasoning]


def usage(reckoned: Reckoned) -> Usage:
    assert reckoned.usage is not None
    return reckoned.usage


@pytest.mark.parametrize(("value", "count"), [(5, 5), (5.0, 5), ("12", 12), (" 12.0 ", 12), (0, 0), (None, None), ("", None)])
def test_counts(value: object, count: int | None) -> None:
    flags: list[str] = []
    assert (sane_count(value, flags), flags) == (count, [])


@pytest.mark.parametrize("value", [-1, 2**63, COUNT_MAX + 1, math.inf, math.nan, 1.5, "1e3", "-4", "many", True, "9" * 30])
def test_nonsense_is_refused_with_a_flag(value: object) -> None:
    flags: list[str] = []
    assert sane_count(value, flags) is None
    assert flags in (["bad_count"], ["negative_count"])


def test_parts_inside_leave_the_totals_alone() -> None:
    assert usage(reckon(INSIDE, counts(100, 50, read=40, write=10, reasoning=20), [])) == Usage(100, 50, 40, 10, reasoning_tokens=20)


def test_parts_outside_are_added() -> None:
    assert usage(reckon(OUTSIDE, counts(100, 50, read=40, write=10, reasoning=20), [])) == Usage(150, 70, 40, 10, reasoning_tokens=20)


def test_parts_larger_than_their_total_are_read_as_outside_and_flagged() -> None:
    reckoned = reckon(INSIDE, counts(100, 50, read=4000, reasoning=60), [])
    assert usage(reckoned) == Usage(4100, 110, 4000, reasoning_tokens=60)
    assert reckoned.flags == ("cache_exceeds_input", "reasoning_exceeds_output")


@pytest.mark.parametrize(
    ("given", "total", "wanted", "flags"),
    [
        (100, 150, 100, ()),  # total = input + output
        (100, 190, 140, ()),  # total = input + cache + output
        (100, None, 100, ("cache_basis_assumed",)),  # nothing tells: the convention, said so
        (30, None, 70, ()),  # cache > input
    ],
)
def test_identities_decide_where_the_dialect_does_not(given: int, total: int | None, wanted: int, flags: tuple[str, ...]) -> None:
    reckoned = reckon(UNDECIDED, counts(given, 50, total=total, read=40), [])
    assert (usage(reckoned).input_tokens, reckoned.flags) == (wanted, flags)


@pytest.mark.parametrize(("total", "wanted", "flags"), [(150, 50, ()), (170, 70, ()), (None, 50, ("reasoning_basis_assumed",))])
def test_identities_decide_about_reasoning(total: int | None, wanted: int, flags: tuple[str, ...]) -> None:
    reckoned = reckon(UNDECIDED, counts(100, 50, total=total, reasoning=20), [])
    assert (usage(reckoned).output_tokens, reckoned.flags) == (wanted, flags)


def test_reasoning_that_only_the_total_holds() -> None:
    reckoned = reckon(replace(INSIDE, inside=("cache_read",), rest_of_total="reasoning"), counts(2325, 294, total=3874), [])
    assert usage(reckoned) == Usage(2325, 1549, reasoning_tokens=1255)


def test_reasoning_counted_twice_is_taken_off_once() -> None:
    shape = replace(INSIDE, inside=("cache_read",), doubled=("reasoning",))
    assert usage(reckon(shape, counts(9727, 5232, reasoning=1209), [])) == Usage(9727, 4023, reasoning_tokens=1209)


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ({"short": 1200, "long": 2200}, (3400, 1200, 2200)),  # the whole is the sum
        ({"write": 0, "short": 1200, "long": 2200}, (3400, 1200, 2200)),  # zero on the wire is not zero
        ({"write": 3400, "long": 2200}, (3400, 1200, 2200)),  # a superset and one of its parts
        ({"write": 3400, "short": 1200}, (3400, 1200, 2200)),
        ({"write": 3400}, (3400, None, None)),  # the TTL is not told
    ],
)
def test_cache_writes_by_ttl(told: dict[str, int], wanted: tuple[int | None, ...]) -> None:
    found = usage(reckon(INSIDE, counts(9000, 1, **told), []))
    assert (found.cache_write_tokens, found.cache_write_5m_tokens, found.cache_write_1h_tokens) == wanted


def test_a_zero_that_says_nothing_is_unknown() -> None:
    reckoned = reckon(replace(INSIDE, zero_is_unknown=("cache_write",)), counts(9000, 1, write=0), [])
    assert (usage(reckoned).cache_write_tokens, reckoned.flags) == (None, ("cache_write_unknown",))


def test_what_an_emitter_never_tells_is_flagged() -> None:
    assert reckon(replace(INSIDE, untold=("cache_read", "cache_ttl")), counts(5, 5), []).flags == ("cache_read_untold", "cache_ttl_untold")


def test_an_embedding_with_a_total_alone() -> None:
    assert usage(reckon(INSIDE, counts(total=194), [])) == Usage(194)


def test_extra_units_beside_a_total_are_added_to_it() -> None:
    shape = Shape(extra={"input_compaction_tokens": ("a",), "web_search_requests": ("b",)}, outside=("input_compaction_tokens",))
    reckoned = reckon(shape, [*counts(100, 50), 30, 2], [])
    assert usage(reckoned) == Usage(130, 50, extra=(("input_compaction_tokens", 30), ("web_search_requests", 2)))


def test_what_is_counted_beside_tokens_needs_no_totals() -> None:
    """Search units alone are a usage; a part of a total that is not there is none."""
    shape = Shape(name="s", extra={"input_audio_tokens": ("a",), "search_units": ("b",)}, inside=("input_audio_tokens",))
    assert usage(reckon(shape, [*counts(), 30, 2], [])) == Usage(extra=(("search_units", 2),))
    assert reckon(shape, [*counts(), 30, 0], []).usage is None


@given(
    st.lists(st.none() | st.integers(0, COUNT_MAX), min_size=8, max_size=8),
    st.sampled_from(
        [INSIDE, OUTSIDE, UNDECIDED, replace(UNDECIDED, rest_of_total="reasoning"), replace(UNDECIDED, doubled=("reasoning",))]
    ),
)
def test_the_parts_never_exceed_the_totals(told: list[int | None], shape: Shape) -> None:
    found = reckon(shape, list(told), []).usage
    if found is None:
        return
    if found.input_tokens is not None:
        assert (found.cache_read_tokens or 0) + (found.cache_write_tokens or 0) <= found.input_tokens
    if found.output_tokens is not None:
        assert (found.reasoning_tokens or 0) <= found.output_tokens
    assert all(part is None or part >= 0 for part in found[:7])
