"""Spans of coding agents."""

from __future__ import annotations

import pytest

from spanledger.enrich.records import Usage
from tests.enrich.dialects.emitted import call_of, read_span, usage_of

CLAUDE = "com.anthropic.claude_code.tracing"
REQUEST = {
    "span.type": "llm_request",
    "gen_ai.system": "anthropic",
    "gen_ai.request.model": "claude-opus-4-6",
    "input_tokens": 2,
    "output_tokens": 120,
    "cache_read_tokens": 84_562,
    "cache_creation_tokens": 7_096,
    "request_id": "req_1",
    "success": True,
    "session.id": "s-1",
}


@pytest.mark.parametrize("kind_of_number", [int, str])
def test_claude_code_counts_the_cache_beside_its_input(kind_of_number: type) -> None:
    counts = {key: kind_of_number(value) for key, value in REQUEST.items() if type(value) is int}
    span = read_span(CLAUDE, {**REQUEST, **counts}, version="1.0.0", name="claude_code.llm_request")
    assert (span.kind, span.operation, span.payers.session) == ("inference", "chat", "s-1")
    assert usage_of(span) == Usage(2 + 84_562 + 7_096, 120, 84_562, 7_096)
    assert (call_of(span).provider, call_of(span).request_model, call_of(span).response_id) == ("anthropic", "claude-opus-4-6", "req_1")


def test_claude_codes_own_sign_of_failure() -> None:
    span = read_span(CLAUDE, {"span.type": "llm_request", "model": "claude-opus-4-6", "success": False}, name="claude_code.llm_request")
    assert span.failed
    assert call_of(span).usage is None


@pytest.mark.parametrize(
    ("type_of_span", "kind"),
    [("interaction", "aggregate"), ("tool", "tool"), ("tool.execution", "other"), ("tool.blocked_on_user", "other")],
)
def test_what_else_claude_code_traces(type_of_span: str, kind: str) -> None:
    assert read_span(CLAUDE, {"span.type": type_of_span}, name=f"claude_code.{type_of_span}").kind == kind


CODEX = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.cache_read.input_tokens": 600, "gen_ai.usage.output_tokens": 300}


def test_a_response_of_codex_is_a_call_though_it_names_no_model() -> None:
    span = read_span("codex_cli_rs", {**CODEX, "codex.usage.reasoning_output_tokens": 200}, name="completed")
    assert span.kind == "inference"
    assert usage_of(span) == Usage(1000, 300, 600, reasoning_tokens=200)
    assert (call_of(span).provider, call_of(span).request_model) == ("openai", None)


def test_an_event_of_codex_may_name_the_model() -> None:
    span = read_span("codex_cli_rs", CODEX, name="completed", events=[{"event.name": "codex.sse_event", "model": "gpt-5-codex"}])
    assert call_of(span).request_model == "gpt-5-codex"


def test_a_turn_of_codex_restates_its_responses() -> None:
    counts = {"input_tokens": 2000, "cached_input_tokens": 1200, "output_tokens": 500, "reasoning_output_tokens": 300}
    turn = {"model": "gpt-5-codex", **{f"codex.turn.token_usage.{key}": count for key, count in counts.items()}}
    span = read_span("codex_cli_rs", turn, name="session_task.turn")
    assert (span.kind, usage_of(span)) == ("aggregate", Usage(2000, 500, 1200, reasoning_tokens=300))


def test_gemini_clis_output_lacks_the_thoughts() -> None:
    call = {"gen_ai.operation.name": "llm_call", "gen_ai.request.model": "gemini-2.5-pro", "gen_ai.conversation.id": "c-1"}
    span = read_span("gemini-cli", {**call, "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 30}, name="llm_call")
    assert (span.kind, span.operation, usage_of(span)) == ("inference", "generate_content", Usage(1000, 30))
    assert call_of(span).flags == ("cache_read_untold", "reasoning_untold")
    assert read_span("gemini-cli", {"gen_ai.operation.name": "agent_call", "gen_ai.agent.name": "review"}).kind == "aggregate"
    assert read_span("gemini-cli", {"gen_ai.operation.name": "tool_call", "gen_ai.tool.name": "ls"}).kind == "tool"
