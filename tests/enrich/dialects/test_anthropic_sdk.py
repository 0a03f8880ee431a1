"""The spans of Anthropic's own SDKs."""

from __future__ import annotations

from spanledger.enrich.records import Usage
from tests.enrich.dialects.emitted import call_of, read_span, usage_of

NATIVE = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "aws.bedrock",
    "gen_ai.request.model": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "gen_ai.response.id": "msg_1",
    "gen_ai.usage.input_tokens": 9367,
    "gen_ai.usage.output_tokens": 440,
    "gen_ai.usage.cache_read.input_tokens": 4000,
    "gen_ai.usage.cache_write.input_tokens": 3400,
    "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 1200,
    "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 2200,
    "anthropic.organization.id": "org-1",
}


def test_input_includes_the_cache_even_on_bedrock_and_writes_have_their_ttl() -> None:
    span = read_span("com.anthropic.sdk.python.bedrock", NATIVE, version="2.11.0")
    assert usage_of(span) == Usage(9367, 440, 4000, 3400, 1200, 2200)
    assert (call_of(span).provider, call_of(span).response_id, span.payers.tenant) == ("aws.bedrock", "msg_1", None)


def test_compaction_is_beside_the_totals() -> None:
    compaction = {"anthropic.usage.compaction.input_tokens": 100, "anthropic.usage.compaction.output_tokens": 10}
    found = usage_of(read_span("com.anthropic.sdk.typescript", {**NATIVE, **compaction}, version="1.11.0"))
    assert found[:2] == (9467, 450)


def test_a_tool_runner_restates_nothing() -> None:
    span = read_span("com.anthropic.sdk.python", {"gen_ai.operation.name": "invoke_agent"}, name="anthropic.messages.tool_runner")
    assert (span.kind, call_of(span).usage) == ("aggregate", None)
