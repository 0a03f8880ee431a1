"""LiteLLM's otel callback."""

from __future__ import annotations

import pytest

from spanledger.enrich.records import Usage
from tests.enrich.dialects.emitted import call_of, read_span, usage_of

USAGE_OBJECT = (
    "{'completion_tokens': 440, 'prompt_tokens': 9367, 'completion_tokens_details': {'reasoning_tokens': 0}, 'prompt_tokens_details': "
    "{'audio_tokens': None, 'cached_tokens': 4000, 'cache_creation_tokens': 3400, 'cache_creation_token_details': "
    "{'ephemeral_5m_input_tokens': 1200, 'ephemeral_1h_input_tokens': 2200}}, 'cache_read_input_tokens': 4000}"
)
REQUEST = {
    "gen_ai.operation.name": "acompletion",
    "gen_ai.system": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.usage.input_tokens": 9367,
    "gen_ai.usage.output_tokens": 440,
    "gen_ai.usage.total_tokens": 9807,
    "metadata.usage_object": USAGE_OBJECT,
    "gen_ai.cost.input_cost": 0.024801,
    "gen_ai.cost.total_cost": 0.031401,
    "metadata.user_api_key_team_id": "",
    "metadata.user_api_key_user_id": "default_user_id",
    "metadata.user_api_key_end_user_id": "acme-u1",
    "metadata.requester_custom_headers": "{'x-tenant': 'acme'}",
}


def test_the_splits_are_in_a_python_repr() -> None:
    span = read_span("litellm", REQUEST, name="litellm_request")
    assert usage_of(span) == Usage(9367, 440, 4000, 3400, 1200, 2200, 0)
    assert (span.operation, call_of(span).emitter_cost_usd, span.payers.tenant, span.payers.user) == ("chat", "0.031401", "acme", "acme-u1")


@pytest.mark.parametrize(
    ("made_up", "kept"),
    [
        ("chatcmpl-0070fad1-72cd-40d8-9d65-a6b8e205b242", None),
        ("0070fad1-72cd-40d8-9d65-a6b8e205b242", None),
        ("chatcmpl-000001", "chatcmpl-000001"),
        ("msg_000003", "msg_000003"),
    ],
)
def test_invented_ids_join_nothing(made_up: str, kept: str | None) -> None:
    assert call_of(read_span("litellm", {**REQUEST, "gen_ai.response.id": made_up})).response_id == kept


def test_the_raw_request_knows_the_providers_id() -> None:
    span = read_span(
        "litellm", {"llm.anthropic.id": "msg_3", "llm.anthropic.model": "claude-sonnet-4-5-20250929"}, name="raw_gen_ai_request"
    )
    assert (span.kind, call_of(span).response_id, call_of(span).usage) == ("inference", "msg_3", None)


def test_a_reply_from_litellms_own_cache_is_no_call() -> None:
    """It has the usage and the response id of the call that filled the cache; only the cache's key tells."""
    told = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 10,
    }
    called = read_span("litellm", {**told, "hidden_params": {"cache_key": None, "response_cost": 0.001}}, name="litellm_request")
    assert (called.kind, usage_of(called)) == ("inference", Usage(100, 10))
    cached = read_span("litellm", {**told, "hidden_params": {"cache_key": "9f8a", "response_cost": 0.0}}, name="litellm_request")
    assert (cached.kind, cached.operation, cached.call) == ("other", "cached_reply", None)
