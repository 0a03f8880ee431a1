"""The judge: it must accept the truth and catch each single mistake in it."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import judge as judging
from tests.conformance.judge import COUNTS, Verdict, judge

CALL: dict[str, Any] = {
    "seq": 1,
    "provider": "anthropic",
    "operation": "chat",
    "request_model": "claude-sonnet-4-5",
    "response_model": "claude-sonnet-4-5-20250929",
    "response_id": "msg_1",
    "model_on_wire": True,
    "metered": True,
    "input_tokens": 3000,
    "cache_read_tokens": 1000,
    "cache_write_tokens": 500,
    "cache_write_1h_tokens": None,
    "output_tokens": 200,
    "reasoning_tokens": 0,
    "tenant": "acme",
    "session": "s1",
    "user": None,
    "cost_usd": "0.009675",
}
OTHER = CALL | {
    "seq": 2,
    "response_id": "msg_2",
    "input_tokens": 40,
    "cache_read_tokens": 0,
    "cache_write_tokens": 0,
    "cost_usd": "0.00312",
}
HIDDEN: dict[str, Any] = {
    "seq": 3,
    "provider": "openai",
    "request_model": "gpt-5",
    "response_model": "gpt-5-2025-08-07",
    "metered": False,
    "tenant": None,
    "session": None,
    "user": None,
    "true": {"input_tokens": 700, "output_tokens": 90, "visible_output_tokens": 60},
}


def event(call: dict[str, Any], **other: Any) -> dict[str, Any]:
    """What a perfect meter says of a call."""
    counts = {key: call[key] for key in COUNTS}
    who = {"tenant_id": call["tenant"], "session_id": call["session"], "user_id": call["user"]}
    names = {key: call[key] for key in ("operation", "request_model", "response_model", "response_id", "cost_usd")}
    return {**counts, **who, **names, "span_id": "00000000000000aa", "usage_state": "measured", **other}


def truth(*calls: dict[str, Any], tenant_absent: bool = False) -> dict[str, Any]:
    return {"calls": list(calls), "tenant_absent": tenant_absent}


def test_the_truth_is_accepted() -> None:
    verdict = judge([event(OTHER), event(CALL)], truth(CALL, OTHER))
    assert verdict == Verdict(calls=2, exact=2, left_over=0, payer=2, payer_of=2, cost=2, cost_of=2, problems=())
    assert verdict.is_perfect


def test_a_doubled_event_is_caught() -> None:
    verdict = judge([event(CALL), event(CALL), event(OTHER)], truth(CALL, OTHER))
    assert (verdict.exact, verdict.left_over, verdict.is_exact) == (2, 1, False)
    (problem,) = verdict.problems
    assert problem.startswith("left over: chat span 00000000000000aa input_tokens=3000 cache_read_tokens=1000")


def test_a_missing_event_is_caught() -> None:
    verdict = judge([event(OTHER)], truth(CALL, OTHER))
    assert (verdict.exact, verdict.left_over, verdict.is_exact) == (1, 0, False)
    assert verdict.problems[0].startswith("call 1 (anthropic claude-sonnet-4-5-20250929): no event has input_tokens=3000")


@pytest.mark.parametrize("key", [key for key in COUNTS if CALL[key] is not None])
def test_one_token_more_is_caught(key: str) -> None:
    verdict = judge([event(CALL, **{key: CALL[key] + 1})], truth(CALL))
    assert (verdict.exact, verdict.left_over) == (0, 1)


def test_a_count_that_is_not_on_the_wire_is_not_asked_for() -> None:
    assert judge([event(CALL, cache_write_1h_tokens=500)], truth(CALL)).is_perfect


@pytest.mark.parametrize("wrong", [{"tenant_id": "globex"}, {"tenant_id": None}, {"session_id": "s2"}])
def test_a_wrong_payer_is_caught(wrong: dict[str, Any]) -> None:
    verdict = judge([event(CALL, **wrong)], truth(CALL))
    assert verdict.is_exact
    assert (verdict.payer, verdict.payer_of, verdict.is_perfect) == (0, 1, False)


def test_a_payer_that_is_not_on_the_wire_is_not_asked_for() -> None:
    assert judge([event(CALL, user_id="anyone")], truth(CALL)).is_perfect


def test_a_made_up_tenant_is_caught() -> None:
    nobody = CALL | {"tenant": None, "session": None}
    assert judge([event(nobody)], truth(nobody, tenant_absent=True)).is_perfect
    verdict = judge([event(nobody, tenant_id="acme")], truth(nobody, tenant_absent=True))
    assert (verdict.payer, verdict.payer_of, verdict.is_perfect) == (0, 1, False)


@pytest.mark.parametrize("off", [Decimal("1e-12"), Decimal("-1e-12"), Decimal("1e-18")])
def test_a_cost_that_is_off_is_caught(off: Decimal) -> None:
    verdict = judge([event(CALL, cost_usd=str(Decimal(CALL["cost_usd"]) + off))], truth(CALL))
    assert verdict.is_exact
    assert (verdict.cost, verdict.cost_of, verdict.is_perfect) == (0, 1, False)


def test_no_cost_where_one_is_known_is_caught() -> None:
    assert judge([event(CALL, cost_usd=None)], truth(CALL)).cost == 0


@pytest.mark.parametrize(("cost", "right"), [("0.01", 1), ("0.002", 1), ("0.0004", 0), ("0.051", 0)])
def test_a_cost_that_the_wire_does_not_tell_must_be_of_its_order(cost: str, right: int) -> None:
    call = {key: value for key, value in CALL.items() if key != "cost_usd"} | {"true_cost_usd": "0.01"}
    assert judge([event(CALL, cost_usd=cost)], truth(call)).cost == right


def test_a_model_that_is_another_is_a_problem_but_dates_and_prefixes_are_not() -> None:
    assert judge([event(CALL, response_model=None, request_model="bedrock/anthropic.claude-sonnet-4-5")], truth(CALL)).is_perfect
    verdict = judge([event(CALL, response_model="gpt-5", request_model=None)], truth(CALL))
    assert verdict.problems == ("call 1 (anthropic claude-sonnet-4-5-20250929): model gpt-5",)
    assert not verdict.is_perfect


def test_an_event_of_another_response_is_no_match() -> None:
    assert judge([event(CALL, response_id="msg_9")], truth(CALL)).exact == 0


def test_calls_with_gaps_leave_the_events_that_others_need() -> None:
    vague = CALL | {"seq": 3, "response_id": None, "output_tokens": None, "cost_usd": None, "tenant": None, "session": None}
    precise = CALL | {"seq": 4, "response_id": None}
    events = [event(precise), event(vague, output_tokens=7, cost_usd=None)]
    assert judge(events, truth(vague, precise)).is_exact
    assert judge(events[::-1], truth(vague, precise)).is_exact


def test_money_without_tokens_is_left_over_unless_it_is_a_rerank() -> None:
    nothing = dict.fromkeys(COUNTS, 0)
    assert judge([event(CALL, **nothing, cost_usd="0.002")], truth()).left_over == 1
    assert judge([event(CALL, **nothing, cost_usd="0.002", operation="rerank")], truth()).left_over == 0
    assert judge([event(CALL, **nothing, cost_usd="0")], truth()).left_over == 0


def silent(**counts: Any) -> dict[str, Any]:
    """An event for the hidden call, with these counts."""
    return {"operation": "invoke_agent", "response_model": "gpt-5", "span_id": "00000000000000bb", "usage_state": "aggregate", **counts}


def test_an_aggregate_may_stand_for_hidden_calls_once() -> None:
    both = silent(input_tokens=1400, output_tokens=180)
    assert judge([both], truth(HIDDEN, HIDDEN | {"seq": 4})).is_perfect
    assert judge([both, both], truth(HIDDEN, HIDDEN | {"seq": 4})).left_over == 1
    assert judge([silent(input_tokens=1400, output_tokens=181)], truth(HIDDEN, HIDDEN | {"seq": 4})).left_over == 1


def test_an_aggregate_beside_the_calls_it_restates_is_left_over() -> None:
    total = silent(input_tokens=3040, output_tokens=400)
    assert judge([event(CALL), event(OTHER), total], truth(CALL, OTHER)).left_over == 1


def test_an_emitters_wrong_total_is_accepted_once() -> None:
    wrong = silent(input_tokens=700, output_tokens=60)
    assert judge([wrong], truth(HIDDEN)).is_perfect
    assert judge([wrong, wrong], truth(HIDDEN)).left_over == 1


def test_an_estimate_is_accepted_when_marked_and_likely() -> None:
    guess = silent(input_tokens=650, output_tokens=80)
    assert judge([guess | {"usage_state": "estimated"}], truth(HIDDEN)).is_perfect
    assert judge([guess | {"usage_state": "partial"}], truth(HIDDEN)).is_perfect
    assert judge([guess], truth(HIDDEN)).left_over == 1
    assert judge([guess | {"usage_state": "estimated", "input_tokens": 1465}], truth(HIDDEN)).left_over == 1
    assert judge([guess | {"usage_state": "estimated", "response_model": "claude-sonnet-4-5"}], truth(HIDDEN)).left_over == 1


def write_case(folder: Path, calls: list[dict[str, Any]], events: list[dict[str, Any]]) -> list[str]:
    case = folder / "cases" / "family" / "scenario"
    case.mkdir(parents=True)
    (case / "expected.json").write_text(json.dumps(truth(*calls)))
    (folder / "events" / "family").mkdir(parents=True)
    (folder / "events" / "family" / "scenario.jsonl").write_text("".join(json.dumps(each) + "\n" for each in events))
    return [str(folder / "events"), str(folder / "cases")]


def test_the_command_accepts_the_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judging.main(write_case(tmp_path, [CALL], [event(CALL)])) == 0
    assert capsys.readouterr().out == "1/1 cases; calls 1/1 exact, 0 left over; payer 1/1; cost 1/1\n"


def test_the_command_names_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judging.main(write_case(tmp_path, [CALL], [event(CALL, tenant_id="globex")])) == 1
    assert capsys.readouterr().out.splitlines() == [
        "family/scenario",
        "    call 1 (anthropic claude-sonnet-4-5-20250929): tenant_id='globex' for 'acme'",
        "0/1 cases; calls 1/1 exact, 0 left over; payer 0/1; cost 1/1",
    ]


def test_the_command_misses_events_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = write_case(tmp_path, [CALL], [])
    assert judging.main([str(tmp_path / "nowhere"), args[1]]) == 1
    assert judging.main([]) == 2
    assert "python tests/conformance/judge.py EVENTS" in capsys.readouterr().out
