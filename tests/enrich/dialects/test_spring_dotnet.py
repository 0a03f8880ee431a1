"""Spring AI's and .NET's spans."""

from __future__ import annotations

import pytest

from spanledger.enrich.records import Usage
from tests.enrich.dialects.emitted import call_of, read_span, usage_of

CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "some-model",
    "gen_ai.usage.input_tokens": "1000",
    "gen_ai.usage.output_tokens": "100",
    "gen_ai.usage.total_tokens": "1100",
    "gen_ai.usage.cache_read.input_tokens": "600",
}


@pytest.mark.parametrize(("provider", "given"), [("anthropic", 1600), ("bedrock_converse", 1600), ("openai", 1000)])
def test_spring_hands_on_what_the_provider_counts(provider: str, given: int) -> None:
    """Its total is the sum of the two it shows, and says nothing of the cache."""
    span = read_span("org.springframework.boot", {**CHAT, "gen_ai.system": provider}, name="chat some-model")
    assert usage_of(span) == Usage(given, 100, 600)
    assert call_of(span).flags == ()


def test_the_conversation_of_a_chat_client_is_a_session() -> None:
    client = {"spring.ai.kind": "chat_client", "gen_ai.operation.name": "framework", "spring.ai.chat.client.conversation.id": "c-7"}
    span = read_span("org.springframework.boot", client, name="spring_ai chat_client")
    assert (span.kind, span.call, span.payers.session) == ("other", None, "c-7")


def test_extensions_ai_counts_everything_in_its_totals() -> None:
    span = read_span("Experimental.Microsoft.Extensions.AI", {**CHAT, "gen_ai.provider.name": "anthropic"}, version="10.0.0")
    assert usage_of(span) == Usage(1000, 100, 600)
    assert call_of(span).flags == ()
    assert read_span("Experimental.Microsoft.Extensions.AI", {"gen_ai.operation.name": "orchestrate_tools"}).kind == "aggregate"
