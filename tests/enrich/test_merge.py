"""What several tellers of one call say together."""

from __future__ import annotations

import pytest

from spanledger.enrich.merge import bears_usage, counts_agree, fullest, lend_usage, merged_call, models_agree, standing_call
from spanledger.enrich.records import Call, Usage
from tests.enrich.trees import agent, chat, readings


def call(model: str = "gpt-4o", usage: Usage | None = None) -> Call:
    return Call("test", request_model=model, usage=usage, usage_state="measured")


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06", True),
        ("openai/gpt-4o", "gpt-4o", True),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929-v1:0", True),
        ("gpt-4o", "claude-sonnet-4-5", False),
    ],
)
def test_models_agree_by_prefix_or_suffix(one: str, other: str, agree: bool) -> None:
    assert models_agree(call(one), call(other)) is agree


def test_a_span_without_a_model_agrees_with_any() -> None:
    assert models_agree(Call("test"), call())


def test_counts_agree_up_to_one_output_token_counted_twice() -> None:
    assert counts_agree(call(usage=Usage(10, 5)), call(usage=Usage(10, 6)))
    assert not counts_agree(call(usage=Usage(10, 5)), call(usage=Usage(10, 7)))
    assert not counts_agree(call(usage=Usage(10, 5)), call(usage=Usage(11, 5)))
    assert counts_agree(call(usage=Usage(10, 5)), call())


def test_an_input_without_the_cache_that_its_emitter_cannot_tell_of_agrees_with_the_whole() -> None:
    whole = call(usage=Usage(3667, 440, 0, 1700))
    short = call(usage=Usage(1967, 440))
    blind = short._replace(flags=("cache_read_untold", "cache_write_untold"))
    assert counts_agree(blind, whole)
    assert counts_agree(whole, blind)
    assert not counts_agree(short, whole)
    assert not counts_agree(blind._replace(usage=Usage(1966, 440)), whole)
    assert not counts_agree(blind, whole._replace(usage=Usage(3667, 440)))


def test_parts_are_lent_only_where_the_totals_agree() -> None:
    assert lend_usage(Usage(100, 10), Usage(100, 10, 40, 30, 10, 20, 5)) == Usage(100, 10, 40, 30, 10, 20, 5)
    assert lend_usage(Usage(60, 10), Usage(100, 10, 40)) == Usage(60, 10)
    # another output total: its reasoning part is of that total, not of ours
    assert lend_usage(Usage(100, 10), Usage(100, 11, reasoning_tokens=5)) == Usage(100, 10)


def test_a_zero_gives_way_to_a_positive_part_and_extras_are_joined() -> None:
    own = Usage(100, 10, 0, extra=(("input_audio_tokens", 0), ("web_search_requests", 2)))
    other = Usage(100, 10, 40, extra=(("input_audio_tokens", 7),))
    assert lend_usage(own, other) == Usage(100, 10, 40, extra=(("input_audio_tokens", 7), ("web_search_requests", 2)))


def test_the_measured_beats_the_estimated_however_detailed() -> None:
    estimated = readings(chat("a", usage=Usage(1, 1, 1, 1, 1, 1, 1), state="estimated"))[0]
    measured = readings(chat("b", (10, 1)))[0]
    assert fullest([estimated, measured], [0, 0]) == 1
    merged = merged_call(measured, [estimated])
    assert merged.usage == Usage(10, 1)


def test_an_authentic_response_id_replaces_an_invented_one() -> None:
    framework = readings(chat("a", (10, 1), response_id="uuid", extra={"response_id_unique": False}))[0]
    sdk = readings(chat("b", (10, 1), response_id="msg_1"))[0]
    assert merged_call(framework, [sdk]).response_id == "msg_1"
    assert merged_call(sdk, [framework]).response_id == "msg_1"


def test_zeros_bear_nothing() -> None:
    assert not bears_usage(call(usage=Usage(0, 0)))
    assert not bears_usage(call())
    assert bears_usage(call(usage=Usage(extra=(("search_units", 1),))))


def test_an_aggregate_without_a_model_takes_that_of_the_calls_it_stands_for() -> None:
    turn = readings(agent("turn", tokens=(30, 3)))[0]
    assert turn.call is not None
    nameless = turn._replace(call=turn.call._replace(request_model=None, response_model=None, provider=None))
    mini, full = readings(chat("a", model="gpt-4o-mini"))[0], readings(chat("b", model="gpt-4o"))[0]
    assert standing_call(nameless, [mini, mini]).request_model == "gpt-4o-mini"
    assert standing_call(nameless, [mini, full]).request_model is None
    assert standing_call(turn, [full]) == turn.call
