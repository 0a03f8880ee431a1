"""Findings: what is flagged, what is not, and that late spans put flags right."""

from __future__ import annotations

from typing import Any

from spanledger.enrich.findings import NO_FLAGS, FlagRules
from tests.cli.otlp import NOW_NS, SECOND_NS, chat, span
from tests.enrich.metering import Metered
from tests.enrich.test_meters import tool

ROOT = span(1, 1, {"tenant.id": "acme"}, name="POST /ask")


def flags(toml: str, *spans: Any) -> list[tuple[str, ...]]:
    """The flags of the charges that stand, by span."""
    metered = Metered(f"[enrich.flags]\n{toml}\n")
    metered.send(ROOT, *spans)
    return [event.flags for event in metered.current]


def failed(number: int, **more: Any) -> Any:
    made = chat(1, number, None, parent=1, input_tokens=None, output_tokens=None, **more)
    return made | {"status": {"code": 2}}


def asked_for(model: str) -> dict[str, Any]:
    return {"attributes": {"gen_ai.request.model": model, "gen_ai.response.model": model}}


def test_nothing_is_flagged_by_default() -> None:
    assert not FlagRules().any
    assert FlagRules() == NO_FLAGS
    assert flags("", chat(1, 2, parent=1, input_tokens=10**9), tool(3)) == [()]


def test_a_prompt_from_the_threshold_on_is_large() -> None:
    large, below = (chat(1, number, parent=1, input_tokens=count) for number, count in ((2, 50_000), (3, 49_999)))
    assert flags("large_prompt_tokens = 50000", large, below) == [("large_prompt.v1",), ()]


def test_another_model_than_asked_for_is_a_fallback() -> None:
    names = [("gpt-4o", "gpt-4o-mini"), ("gpt-4o", "gpt-4o-2024-08-06"), ("our-deployment", "gpt-4o")]
    spans = [
        chat(1, number, parent=1, attributes={"gen_ai.request.model": asked, "gen_ai.response.model": answered})
        for number, (asked, answered) in enumerate(names, 2)
    ]
    assert flags("fallback_models = true", *spans) == [("fallback_model.v1",), (), ()]


def test_the_call_after_a_failed_one_of_another_model_is_a_fallback() -> None:
    first, second = failed(2, **asked_for("gpt-4o")), chat(1, 3, None, parent=1, **asked_for("claude-sonnet-4-5"))
    assert flags("fallback_models = true", first, second) == [(), ("fallback_model.v1",)]
    # the same model again is a retry, a call elsewhere is another story, and one after a call that went well is the next step
    assert flags("fallback_models = true", first, chat(1, 3, None, parent=1, **asked_for("gpt-4o"))) == [(), ()]
    assert flags("fallback_models = true", first, span(1, 9, {}), second | {"parentSpanId": f"{9:016x}"}) == [(), ()]
    between = chat(1, 3, None, parent=1, **asked_for("gpt-4o"))
    after = chat(1, 4, None, parent=1, **asked_for("claude-sonnet-4-5"))
    assert flags("fallback_models = true", first, between, after) == [(), (), ()]


def test_a_failed_call_that_comes_later_flags_the_one_before_it_in_time() -> None:
    metered = Metered("[enrich.flags]\nfallback_models = true\n")
    metered.send(ROOT, chat(1, 3, None, parent=1, **asked_for("claude-sonnet-4-5")))
    assert [event.flags for event in metered.current] == [()]
    metered.send(failed(2, **asked_for("gpt-4o")))
    assert [event.flags for event in metered.current] == [(), ("fallback_model.v1",)]
    assert sum(event.cost_usd or 0 for event in metered.ledger.events) == metered.current[1].cost_usd


def test_depth_counts_tools_and_agents_above() -> None:
    agent = span(1, 2, {"gen_ai.operation.name": "invoke_agent"}, parent=1, name="invoke_agent")
    deep = [agent, tool(3, parent=2), span(1, 4, {}, parent=3, name="http"), tool(5, parent=4), chat(1, 6, parent=5)]
    assert flags("loop_depth = 3", *deep, chat(1, 7, parent=3)) == [("loop_depth.v1",), ()]
    assert flags("loop_depth = 4", *deep) == [()]


def at(made: Any, second: int) -> Any:
    start = NOW_NS + second * SECOND_NS
    return made | {"startTimeUnixNano": str(start), "endTimeUnixNano": str(start + SECOND_NS // 2)}


def test_calls_after_too_many_repeats_of_a_tool_are_in_a_loop() -> None:
    spans = [at(tool(10 + n), 2 * n) for n in range(3)] + [at(chat(1, 20 + n, None, parent=1), 2 * n + 1) for n in range(3)]
    assert flags("loop_repeats = 3", *spans) == [(), (), ("loop_repeats.v1",)]
    assert flags("loop_repeats = 4", *spans) == [(), (), ()]
    others = [at(tool(10 + n, f"tool-{n}"), 2 * n) for n in range(3)]
    assert flags("loop_repeats = 3", *others, *spans[3:]) == [(), (), ()]


def test_flags_of_the_reader_stay_beside_those_of_the_rules() -> None:
    odd = chat(1, 2, parent=1, input_tokens=-5, output_tokens=10)
    [found] = flags("large_prompt_tokens = 1", odd, chat(1, 2, parent=1, input_tokens=5))[:1]
    assert found == tuple(sorted(found))


def test_order_does_not_count() -> None:
    spans = [
        ROOT,
        failed(2, **asked_for("gpt-4o")),
        chat(1, 3, None, parent=1, **asked_for("claude-sonnet-4-5")),
        tool(4),
        chat(1, 5, parent=4),
    ]
    toml = "[enrich.flags]\nfallback_models = true\nloop_depth = 1\nloop_repeats = 1\n"
    told = []
    for order in (spans, spans[::-1], spans[2:] + spans[:2]):
        metered = Metered(toml)
        for each in order:
            metered.send(each)
        told.append([(event.span_id, event.flags) for event in metered.current])
    assert told[0] == told[1] == told[2]
    assert [found for _, found in told[0]] == [(), ("fallback_model.v1",), ("loop_depth.v1", "loop_repeats.v1")]
