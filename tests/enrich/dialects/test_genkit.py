"""Genkit's usage inside genkit:output."""

from __future__ import annotations

from spanledger.enrich.records import Usage
from tests.enrich.dialects.emitted import call_of, read_span

GEMINI = {
    "genkit:type": "action",
    "genkit:metadata:subtype": "model",
    "genkit:name": "googleai/gemini-2.5-flash",
    "genkit:state": "success",
}
GEMINI_OUT = {
    "custom": {"modelVersion": "gemini-2.5-flash", "responseId": "gem_1", "candidates": [{"content": {"parts": [{"text": "hi"}]}}]},
    "usage": {"inputTokens": 2325, "outputTokens": 294, "thoughtsTokens": 1255, "totalTokens": 3874, "cachedContentTokens": 1265},
}


def test_gemini_thinks_beside_its_output() -> None:
    span = read_span("genkit-tracer", {**GEMINI, "genkit:output": GEMINI_OUT})
    call = call_of(span)
    assert (span.kind, call.usage) == ("inference", Usage(2325, 1549, 1265, reasoning_tokens=1255))
    assert (call.provider, call.response_id) == ("gcp.gemini", "gem_1")


def test_openai_tells_its_parts_only_in_the_raw_usage() -> None:
    raw = {
        "id": "chatcmpl-3",
        "model": "gpt-5-2025-08-07",
        "usage": {"prompt_tokens_details": {"cached_tokens": 1500}, "completion_tokens_details": {"reasoning_tokens": 310}},
    }
    about = {"genkit:type": "action", "genkit:metadata:subtype": "model", "genkit:name": "openai/gpt-5"}
    span = read_span("genkit-tracer", {**about, "genkit:output": {"usage": {"inputTokens": 3467, "outputTokens": 910}, "raw": raw}})
    call = call_of(span)
    assert call.usage == Usage(3467, 910, 1500, reasoning_tokens=310)
    assert (call.provider, call.request_model, call.response_model) == ("openai", "openai/gpt-5", "gpt-5-2025-08-07")


def test_generate_restates_and_a_flows_own_output_is_no_usage() -> None:
    span = read_span("genkit-tracer", {"genkit:type": "util", "genkit:name": "generate", "genkit:output": GEMINI_OUT})
    assert span.kind == "aggregate"
    flow = {"genkit:type": "action", "genkit:metadata:subtype": "flow", "genkit:name": "weather", "genkit:output": GEMINI_OUT}
    span = read_span("genkit-tracer", flow)
    assert span.kind == "aggregate"
    assert call_of(span).usage is None


def test_embedders_and_failures() -> None:
    embedder = {"genkit:type": "action", "genkit:metadata:subtype": "embedder", "genkit:name": "openai/text-embedding-3-small"}
    assert read_span("genkit-tracer", embedder).operation == "embeddings"
    assert read_span("genkit-tracer", {**GEMINI, "genkit:state": "error"}).failed
