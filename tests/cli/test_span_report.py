"""Spans read and settled with nothing stored: what is read, what is not, and what settlement makes of it."""

from typing import Any

from spanledger.cli.config import Config
from spanledger.cli.span_report import Trial
from tests.cli.otlp import CHAT_USD, as_protobuf, chat, span

AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper", "session.id": "s1"}
TOTALS = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100}


def read(*spans: Any, config: Config | None = None) -> list[dict[str, Any]]:
    """How spans are read, as the rows of `dialects test`."""
    trial = Trial(config or Config())
    trial.take(as_protobuf(*spans))
    return [row._asdict() for row in trial.rows()]


def test_a_call_its_payer_and_its_price() -> None:
    (row,) = read(chat(1, 1, "acme"))
    assert (row["kind"], row["operation"], row["usage_state"], row["response_model"]) == ("inference", "chat", "measured", "gpt-4o-mini")
    assert (row["input_tokens"], row["output_tokens"], row["flags"], row["unread"]) == (1000, 100, (), [])
    assert (row["payers"], row["found"]) == ({"tenant": "acme"}, {"tenant": "span:tenant.id"})
    assert (row["settled"], row["tenant_id"], str(row["cost_usd"])) == ("charged", "acme", CHAT_USD)
    assert row["name"] == "chat gpt-4o-mini"


def test_an_agent_above_its_call_is_an_aggregate_and_lends_its_payer() -> None:
    agent, call = read(span(1, 1, AGENT | TOTALS | {"tenant.id": "acme"}), chat(1, 2, None, parent=1))
    assert (agent["kind"], agent["settled"], agent["cost_usd"]) == ("aggregate", "aggregate, not charged", None)
    assert (call["payers"], call["settled"], call["tenant_id"]) == ({}, "charged", "acme")


def test_an_agent_alone_is_charged_for_what_is_below() -> None:
    agent, call = read(
        span(1, 1, AGENT | TOTALS | {"gen_ai.request.model": "gpt-4o-mini"}), chat(1, 2, input_tokens=None, output_tokens=None, parent=1)
    )
    assert agent["settled"] == "charged for the calls below"
    assert call["settled"] == f"suppressed by {agent['span_id']}"


def test_a_call_told_twice_is_suppressed_once() -> None:
    outer, inner = read(chat(1, 1), chat(1, 2, parent=1, attributes={"gen_ai.response.id": "chatcmpl-1-1"}))
    assert sorted([outer["settled"], inner["settled"]]) == ["charged", f"suppressed by {inner['span_id']}"]


def test_a_call_without_usage_or_price_says_so() -> None:
    silent, unpriced = read(chat(1, 1, input_tokens=None, output_tokens=None), chat(2, 2, model="no-such-model"))
    assert silent["settled"] == "no usage"
    assert unpriced["settled"].startswith("charged, unpriced: ")
    assert unpriced["cost_usd"] is None


def test_a_split_call_says_in_how_many_parts() -> None:
    (row,) = read(chat(1, 1, None, attributes={"spanledger.allocation": '{"acme": 2, "globex": 1}'}))
    assert row["payers"] == {"allocation": "acme=2, globex=1"}
    assert (row["settled"], row["tenant_id"], str(row["cost_usd"])) == ("charged in 2 parts", "acme, globex", CHAT_USD)


def test_numbers_that_look_like_usage_and_are_not_read_are_named() -> None:
    unknown = {"mymeter.tokens_in": 12, "mymeter.max_tokens": 4096, "mymeter.cost": 0.01, "mymeter.tokens_out": 0, "note": "tokens"}
    (plain,) = read(span(1, 1, unknown))
    assert (plain["dialect"], plain["unread"]) == (None, ["mymeter.tokens_in", "mymeter.cost"])
    (called,) = read(chat(1, 1, attributes={"gen_ai.usage.thought_tokens": 5}))
    assert called["unread"] == ["gen_ai.usage.thought_tokens"]


def test_a_dialect_of_ones_own_reads_them() -> None:
    own = {
        "name": "mymeter",
        "when": {"keys": ["mymeter.tokens_in"]},
        "shapes": [{"input": ["mymeter.tokens_in"], "output": ["mymeter.tokens_out"]}],
        "request_model": ["mymeter.model"],
    }
    config = Config.model_validate({"enrich": {"dialects": [own]}})
    (row,) = read(span(1, 1, {"mymeter.tokens_in": 12, "mymeter.tokens_out": 3, "mymeter.model": "gpt-4o-mini"}), config=config)
    assert (row["dialect"], row["settled"], row["unread"]) == ("mymeter", "charged", [])


def test_a_span_that_comes_twice_is_shown_once() -> None:
    trial = Trial(Config())
    trial.take(as_protobuf(chat(1, 1)))
    trial.take(as_protobuf(chat(1, 1), chat(1, 2)))
    assert [row.settled for row in trial.rows()] == ["charged", "charged"]


def test_traces_that_tell_of_one_call_name_each_other() -> None:
    own = chat(1, 1, attributes={"gen_ai.response.id": "r1"})
    other = chat(2, 1, attributes={"gen_ai.response.id": "r1"}, start_ns=int(own["startTimeUnixNano"]))
    assert sorted(str(row["settled"]) for row in read(own, other)) == ["charged", f"suppressed by {1:016x}"]
