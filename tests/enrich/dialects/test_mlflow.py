"""MLflow's spans, whose every value is JSON, and its mode of the conventions."""

from __future__ import annotations

from spanledger.enrich.records import Usage
from tests.enrich.dialects.emitted import call_of, read_span, usage_of

SCOPE = "mlflow.tracing.provider"
CHAT = {"mlflow.spanType": '"CHAT_MODEL"', "mlflow.llm.model": '"claude-sonnet-4-5"', "mlflow.llm.provider": '"anthropic"'}


def test_token_usage_is_inclusive_and_one_hour_writes_are_a_part() -> None:
    usage = {
        "input_tokens": 9967,
        "output_tokens": 83,
        "total_tokens": 10050,
        "cache_read_input_tokens": 4000,
        "cache_creation_input_tokens": 3400,
        "cache_creation_input_tokens_above_1hr": 2200,
    }
    span = read_span(
        SCOPE, {**CHAT, "mlflow.chat.tokenUsage": usage, "mlflow.spanOutputs": {"id": "msg_6", "model": "claude-sonnet-4-5-20250929"}}
    )
    call = call_of(span)
    assert call.usage == Usage(9967, 83, 4000, 3400, 1200, 2200)
    assert (call.provider, call.response_id) == ("anthropic", "msg_6")
    assert (call.request_model, call.response_model) == ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929")


def test_reasoning_and_embeddings_are_only_in_the_outputs() -> None:
    about = {"mlflow.spanType": '"CHAT_MODEL"', "mlflow.llm.model": '"gpt-5-2025-08-07"', "model": '"gpt-5"'}
    usage = {"input_tokens": 1967, "output_tokens": 910, "total_tokens": 2877, "cache_read_input_tokens": 0}
    outputs = {"id": "resp_3", "usage": {"output_tokens_details": {"reasoning_tokens": 310}}}
    span = read_span(SCOPE, {**about, "mlflow.chat.tokenUsage": usage, "mlflow.spanOutputs": outputs})
    assert usage_of(span) == Usage(1967, 910, 0, reasoning_tokens=310)
    embedding = {"mlflow.spanType": '"EMBEDDING"', "mlflow.llm.model": '"text-embedding-3-small"'}
    span = read_span(SCOPE, {**embedding, "mlflow.spanOutputs": {"data": [{"embedding": [0.1]}], "usage": {"prompt_tokens": 194}}})
    assert (span.operation, usage_of(span)) == ("embeddings", Usage(194))


def test_a_failed_call_has_its_model_in_its_arguments() -> None:
    assert call_of(read_span(SCOPE, {"mlflow.spanType": '"CHAT_MODEL"', "model": '"gpt-4o"'}, status=2)).request_model == "gpt-4o"


def test_kinds_and_tenants() -> None:
    span = read_span(SCOPE, {"mlflow.spanType": '"UNKNOWN"', "mlflow.traceTag.tenant": "acme", "mlflow.traceRequestId": '"tr-1"'})
    assert (span.kind, span.payers.tenant) == ("other", "acme")
    assert read_span(SCOPE, {"mlflow.spanType": '"AGENT"'}).kind == "aggregate"
    assert read_span(SCOPE, {"mlflow.spanType": '"RETRIEVER"'}).kind == "retrieval"


def test_the_mode_of_the_conventions_loses_the_parts_and_says_so() -> None:
    span = read_span(
        SCOPE,
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-5-2025-08-07",
            "gen_ai.response.id": "chatcmpl-2",
            "gen_ai.usage.input_tokens": 1744,
            "gen_ai.usage.output_tokens": 1376,
            "model": '"gpt-5"',
        },
    )
    assert usage_of(span) == Usage(1744, 1376)
    assert call_of(span).flags == ("cache_read_untold", "cache_write_untold", "reasoning_untold")
    assert call_of(span).response_id == "chatcmpl-2"


def test_the_chunks_of_a_stream_tell_what_the_mode_of_the_conventions_loses() -> None:
    chunk = {"id": "chatcmpl-4", "choices": [{"delta": {"content": "hello"}}]}
    last = {**chunk, "usage": {"prompt_tokens": 7424, "prompt_tokens_details": {"cached_tokens": 5229}}}
    span = read_span(
        SCOPE,
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o-2024-08-06",
            "gen_ai.usage.input_tokens": 7424,
            "gen_ai.usage.output_tokens": 283,
        },
        events=[{"mlflow.chunk.value": chunk}, {"mlflow.chunk.value": last}, {"mlflow.chunk.value": chunk}, {"other": 1}],
    )
    assert usage_of(span) == Usage(7424, 283, 5229)
    assert call_of(span).flags == ("cache_write_untold", "reasoning_untold")
