"""Agent frameworks that trace themselves."""

from __future__ import annotations

from spanledger.enrich.records import Usage
from tests.enrich.dialects.emitted import call_of, read_span, usage_of


def chat(model: str, provider: str, **more: object) -> dict[str, object]:
    return {"gen_ai.operation.name": "chat", "gen_ai.provider.name": provider, "gen_ai.request.model": model, **more}


def test_strands_is_no_provider() -> None:
    counts = {
        "gen_ai.usage.prompt_tokens": 2325,
        "gen_ai.usage.input_tokens": 2325,
        "gen_ai.usage.completion_tokens": 294,
        "gen_ai.usage.output_tokens": 294,
    }
    span = read_span("strands.telemetry.tracer", chat("claude-sonnet-4-5", "strands-agents", **counts))
    assert (call_of(span).provider, usage_of(span)) == ("anthropic", Usage(2325, 294))


def test_adk_counts_reasoning_twice_for_other_peoples_models() -> None:
    counts = {"gen_ai.usage.input_tokens": 9727, "gen_ai.usage.output_tokens": 5232, "gen_ai.usage.reasoning.output_tokens": 1209}
    other = {**chat("openai/gpt-5", "gcp.vertex.agent", **counts), "gen_ai.operation.name": "generate_content"}
    span = read_span("gcp.vertex.agent", other)
    assert (usage_of(span), call_of(span).provider) == (Usage(9727, 4023, reasoning_tokens=1209), "openai")
    gemini = {**other, "gen_ai.request.model": "gemini-2.5-flash"}
    assert usage_of(read_span("gcp.vertex.agent", gemini)) == Usage(9727, 5232, reasoning_tokens=1209)


def test_adk_1_names_the_models_span() -> None:
    counts = {"gen_ai.request.model": "gemini-2.5-flash", "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}
    assert read_span("gcp.vertex.agent", counts, name="call_llm").kind == "inference"
    assert read_span("gcp.vertex.agent", {}, name="agent_run [support]").kind == "aggregate"


def test_a_mastra_chat_can_fail_with_status_ok() -> None:
    failed = chat("gpt-5", "openai.chat", **{"gen_ai.response.finish_reasons": '["error"]'})
    assert read_span("@mastra/otel-exporter", failed, status=1).failed
    assert not read_span("@mastra/otel-exporter", {**failed, "gen_ai.response.finish_reasons": ["stop"]}, status=1).failed


def test_semantic_kernel_never_tells_the_cache() -> None:
    counts = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}
    call = call_of(read_span("semantic_kernel.utils.telemetry.model_diagnostics.decorators", chat("gpt-5", "openai", **counts)))
    assert call.flags == ("cache_read_untold", "reasoning_untold")


def test_a_url_for_an_address_hides_no_provider() -> None:
    address = {"server.address": "https://api.groq.com/openai/v1/"}
    assert call_of(read_span("agent_framework", chat("llama-3.3-70b", "openai", **address))).provider == "groq"


def test_autogens_messages_carry_the_counts_of_the_call_that_made_them() -> None:
    usage = {"prompt_tokens": 2325, "completion_tokens": 294}
    message = {"id": "c96677df", "source": "support", "models_usage": usage, "content": "sunny", "type": "TextMessage"}
    runtime = "autogen SingleThreadedAgentRuntime"
    span = read_span(runtime, {"messaging.operation": "process", "message": {"message": message}})
    assert (span.kind, span.operation, usage_of(span)) == ("inference", "chat", Usage(2325, 294))
    assert "call_time_untold" in call_of(span).flags
    assert call_of(span).response_id is None
    # a response sums up messages that were told before; a message by a user or a tool has no usage
    assert read_span(runtime, {"messaging.operation": "process", "message": {"response": {"chat_message": message}}}).call is None
    assert read_span(runtime, {"messaging.operation": "process", "message": {"message": {**message, "models_usage": None}}}).call is None
    assert read_span(runtime, {"messaging.operation": "publish", "message": {"message": message}}).call is None


def test_adk_1_has_geminis_own_usage_in_the_response() -> None:
    """Of 190 tokens 20 were put there by Gemini's own tools and 50 were thoughts, which the span's two counts leave out."""
    raw = {"prompt_token_count": 100, "candidates_token_count": 20, "thoughts_token_count": 50, "cached_content_token_count": 30}
    response = {"content": {"role": "model"}, "usage_metadata": {**raw, "tool_use_prompt_token_count": 20, "total_token_count": 190}}
    call = {"gen_ai.system": "gcp.vertex.agent", "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20}
    attributes = {**call, "gen_ai.request.model": "gemini-2.5-flash", "gcp.vertex.agent.llm_response": response}
    span = read_span("gcp.vertex.agent", attributes, name="call_llm", version="1.9.0")
    assert (span.kind, usage_of(span)) == ("inference", Usage(120, 70, 30, reasoning_tokens=50, extra=(("input_tool_use_tokens", 20),)))
    other = read_span("gcp.vertex.agent", {**attributes, "gen_ai.request.model": "openai/gpt-5"}, name="call_llm", version="1.9.0")
    assert usage_of(other) == Usage(100, 20)
