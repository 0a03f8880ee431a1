"""Counts that lie inside one another are taken apart so that nothing is counted twice, and each finds the right rate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.enrich.catalog.units import PARTS, PartsExceedTotalError, disjoint, rate_units


def test_disjoint_on_paper() -> None:
    counts = {"input_tokens": 1000, "input_audio_tokens": 600, "cache_read_tokens": 300, "cache_read_audio_tokens": 100, "output_tokens": 9}
    assert disjoint(counts) == {
        "input_tokens": 200,  # 1000 - 500 uncached audio - 200 cached text - 100 cached audio
        "input_audio_tokens": 500,
        "cache_read_tokens": 200,
        "cache_read_audio_tokens": 100,
        "output_tokens": 9,
    }


def test_parts_beyond_their_total_are_refused_with_both_numbers() -> None:
    with pytest.raises(PartsExceedTotalError, match="input_tokens 5 holds parts of 6"):
        disjoint({"input_tokens": 5, "cache_read_tokens": 6})


@given(st.dictionaries(st.sampled_from(sorted(PARTS)), st.integers(0, 1000)))
def test_leaves_sum_to_the_totals(counts: dict[str, int]) -> None:
    try:
        leaves = disjoint(counts)
    except PartsExceedTotalError:
        return
    assert min(leaves.values(), default=0) >= 0
    for total, direction in (("input_tokens", "input"), ("output_tokens", "output")):
        if total in counts:
            assert sum(count for unit, count in leaves.items() if ("direction", direction) in PARTS[unit]) == counts[total]


@pytest.mark.parametrize(
    ("unit", "priced", "expected"),
    [
        ("reasoning_tokens", {"output_tokens"}, ("reasoning_tokens", "output_tokens")),
        ("cache_read_tokens", {"input_tokens"}, ("cache_read_tokens", "input_tokens")),
        ("cache_write_5m_tokens", {"cache_write_tokens"}, ("cache_write_5m_tokens", "cache_write_tokens", "input_tokens")),
        ("cache_write_1h_tokens", {"input_tokens"}, ("cache_write_1h_tokens", "input_tokens")),
        ("cache_write_1h_tokens", {"cache_write_tokens"}, ("cache_write_1h_tokens",)),
        ("cache_read_audio_tokens", {"input_audio_tokens"}, ("cache_read_audio_tokens",)),
        ("cache_read_audio_tokens", {"input_tokens"}, ("cache_read_audio_tokens", "cache_read_tokens", "input_tokens")),
        ("web_search_requests", {"input_tokens"}, ("web_search_requests",)),
        ("a_meter_of_ones_own", set(), ("a_meter_of_ones_own",)),
    ],
)
def test_whose_rate(unit: str, priced: set[str], expected: tuple[str, ...]) -> None:
    assert rate_units(unit, frozenset(priced)) == expected
