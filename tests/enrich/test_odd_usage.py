"""Usage that is odd, from the span to the sum: hand-written spans through pruning, reading and settlement, priced by the list below.

The list is written here, so that no change of the shipped prices can change a sum; its amounts are those published in November 2026.
"""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from spanledger.enrich.book import Versions
from spanledger.enrich.catalog.load import pack, unpack
from spanledger.enrich.catalog.rows import BASE, Entry, Rate, catalog_text
from spanledger.enrich.config import policy_from, rules_from
from spanledger.enrich.engine import Engine
from spanledger.enrich.events import CostEvent
from spanledger.enrich.kept import kept_for
from spanledger.enrich.meters import MeteredPrices
from spanledger.enrich.money import text_from_atto
from spanledger.enrich.price import Catalog
from spanledger.enrich.read import Reader
from spanledger.receiver.otlp_json import to_protobuf
from spanledger.receiver.prune import Pruner
from tests.cli.otlp import request, span
from tests.enrich.metering import NOW_NS, configured
from tests.enrich.test_engine import MemoryLedger

MILLION: Final = 1_000_000


def tokens(**amounts: str) -> tuple[Rate, ...]:
    return tuple(Rate(f"{unit}_tokens", amount, MILLION) for unit, amount in amounts.items())


def tier(name: str, **amounts: str) -> tuple[Rate, ...]:
    return tuple(rate._replace(context=(("service_tier", name),)) for rate in tokens(**amounts))


LIST: Final = {
    ("openai", "gpt-4o-audio-preview"): tokens(input="2.5", output="10", input_audio="40", output_audio="80"),
    ("openai", "gpt-realtime"): tokens(
        input="4", cache_read="0.4", output="16", input_audio="32", cache_read_audio="0.4", output_audio="64"
    ),
    ("openai", "gpt-image-1"): tokens(input="5", input_image="10", output_image="40"),
    ("openai", "dall-e-3"): (Rate("images", "0.04", 1),),
    ("openai", "whisper-1"): (Rate("audio_ms", "0.0001", 1000),),
    ("openai", "tts-1"): (Rate("input_characters", "15", MILLION),),
    ("openai", "text-embedding-3-small"): tokens(input="0.02"),
    ("openai", "gpt-5"): (
        *tokens(input="1.25", cache_read="0.125", output="10"),
        *tier("batch", input="0.625", cache_read="0.0625", output="5"),
        *tier("flex", input="0.625", cache_read="0.0625", output="5"),
        *tier("priority", input="2.5", cache_read="0.25", output="20"),
    ),
    ("groq", "whisper-large-v3"): (Rate("audio_ms", "0.111", 3_600_000, minimum=10_000),),
    ("cohere", "rerank-v3.5"): (Rate("search_units", "2", 1000),),
    ("anthropic", "claude-sonnet-4-5"): (
        *tokens(input="3", cache_read="0.3", cache_write="3.75", cache_write_1h="6", output="15"),
        Rate("web_search_requests", "10", 1000),
    ),
    ("gcp.gemini", "gemini-2.5-flash"): tokens(input="0.3", cache_read="0.03", output="2.5"),
}
CATALOG: Final = Catalog(
    unpack(
        pack(
            catalog_text([Entry(*who, BASE, 0, ["prefix", who[1]], "the list above", "2026-11-21", rates) for who, rates in LIST.items()]),
            "a list for tests",
        )
    )
)


def told(scope: str, attributes: dict[str, Any], *, number: int = 1, parent: int = 0, name: str = "span", status: int = 0) -> Any:
    """The request of one span of a scope; dicts among the attributes are JSON texts."""
    plain = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in attributes.items()}
    body = request(span(1, number, plain, parent=parent, name=name) | {"status": {"code": status}})
    body["resourceSpans"][0]["scopeSpans"][0]["scope"] = {"name": scope}
    return body


def booked(*bodies: Any, toml: str = "") -> list[CostEvent]:
    """What is booked for these requests, by span."""
    config = configured(toml)
    rules = rules_from(config)
    reader, pruner, ledger = Reader(rules), Pruner(kept_for(rules), b"a key of thirty-two bytes exactly"), MemoryLedger()
    engine = Engine(
        MeteredPrices(CATALOG, rules.meters), policy_from(config), ledger, Versions(rules.ruleset_id, "0"), failures=rules.failures
    )
    for body in bodies:
        pruned = pruner.prune(to_protobuf(json.dumps(body).encode()))
        readings, problems = reader.read(pruned, authority="default", key_tenant=None, position=0, received_ns=1)
        assert not problems
        engine.add(readings)
    return sorted(engine.tick(NOW_NS, final=True).events, key=lambda event: event.span_id)


def usd(event: CostEvent) -> str | None:
    """The cost, or why there is none; its lines sum to it."""
    if event.cost_usd is None:
        return event.price_reason
    assert sum(line.cost_usd for line in event.lines) == event.cost_usd
    return text_from_atto(event.cost_usd)


def genai(operation: str, provider: str, model: str, **counts: Any) -> dict[str, Any]:
    about = {"gen_ai.operation.name": operation, "gen_ai.provider.name": provider, "gen_ai.request.model": model}
    return {**about, **{f"gen_ai.usage.{key.replace('__', '.')}": count for key, count in counts.items()}}


def cost_of(scope: str, attributes: dict[str, Any], **more: Any) -> str | None:
    [event] = booked(told(scope, attributes, **more))
    return usd(event)


# -- audio, images, speech -----------------------------------------------------------------------------------------------


def test_audio_in_a_chat() -> None:
    # 200 text at 2.5, 800 audio at 40, 50 text out at 10, 50 audio out at 80, per million: 500 + 32000 + 500 + 4000 = 37000
    counts = {"input_tokens": 1000, "output_tokens": 100, "audio__input_tokens": 800, "audio__output_tokens": 50}
    assert cost_of("my.app", genai("chat", "openai", "gpt-4o-audio-preview", **counts)) == "0.037"


REALTIME = {
    **genai("llm_response", "openai", "gpt-realtime", input_tokens=1000, output_tokens=120, audio__input_tokens=600),
    "gen_ai.usage.cache_read.input_tokens": 300,
    "gen_ai.usage.audio.cache_read.input_tokens": 100,
    "gen_ai.usage.audio.output_tokens": 100,
    "response.id": "resp_1",
}


def test_a_realtime_response_with_cached_audio() -> None:
    """Of 1,000 in 600 are audio; 300 are cached, 100 of them audio. 200*4 + 500*32 + 200*0.4 + 100*0.4 + 20*16 + 100*64 = 23640."""
    [event] = booked(told("pipecat", REALTIME, name="llm_response"))
    assert (usd(event), event.operation, event.response_id) == ("0.02364", "realtime", "resp_1")
    assert booked(told("pipecat", {**REALTIME, "gen_ai.operation.name": "llm_request"}, name="llm_request")) == []


def test_images_by_the_token_and_by_the_piece() -> None:
    # 50 text at 5, 200 of an image at 10, 1056 of the image made at 40: 250 + 2000 + 42240 = 44490 per million
    counts = {"input_tokens": 250, "output_tokens": 1056, "image__input_tokens": 200, "image__output_tokens": 1056}
    assert cost_of("my.app", genai("image_generation", "openai", "gpt-image-1", **counts)) == "0.04449"
    [event] = booked(told("my.app", genai("image_generation", "openai", "dall-e-3", images=3)))
    assert (usd(event), event.usage_state, event.usage, event.input_tokens) == ("0.12", "measured", (("images", 3),), None)


@pytest.mark.parametrize(
    ("provider", "model", "seconds", "expected"),
    [
        ("openai", "whisper-1", 12.34, "0.001234"),  # 12,340 ms at 0.0001 a second
        ("openai", "whisper-1", 60, "0.006"),  # a minute
        ("groq", "whisper-large-v3", 3.5, "0.000308333333333333"),  # the minimum of 10 s at 0.111 an hour
        ("openai", "whisper-1", "12.34", "0.001234"),
        ("openai", "whisper-1", 0, "no_usage"),
        ("openai", "whisper-1", -1.5, "no_usage"),
    ],
)
def test_transcription_by_the_second(provider: str, model: str, seconds: Any, expected: str) -> None:
    told_by_openlit = {**genai("audio", provider, model), "gen_ai.response.audio.duration": seconds}
    assert cost_of("openlit.instrumentation.openai", told_by_openlit) == expected
    heard = {**genai("stt", provider, model), "metrics.audio_seconds": seconds}
    assert cost_of("pipecat", heard, name="stt") == expected


def test_speech_by_the_character() -> None:
    [event] = booked(told("pipecat", {**genai("tts", "openai", "tts-1"), "metrics.character_count": 420}, name="tts"))
    assert (usd(event), event.operation, event.usage_state) == ("0.0063", "speech", "measured")  # 420 * 15 / million


def test_pipecats_claude_counts_the_cache_beside_its_input() -> None:
    counts = {"input_tokens": 100, "output_tokens": 10, "cache_read__input_tokens": 90}
    # 100*3 + 90*0.3 + 10*15 = 300 + 27 + 150
    assert cost_of("pipecat", genai("chat", "anthropic", "claude-sonnet-4-5", **counts), name="llm") == "0.000477"
    # gpt-5 counts it inside: 10*1.25 + 90*0.125 + 10*10 = 12.5 + 11.25 + 100
    assert cost_of("pipecat", genai("chat", "openai", "gpt-5", **counts), name="llm") == "0.00012375"


# -- rerank, embeddings, tiers -------------------------------------------------------------------------------------------


def test_rerank_by_the_search_unit() -> None:
    rerank = {**genai("rerank", "cohere", "rerank-v3.5"), "cohere.usage.search_units": 3}
    [event] = booked(told("my.app", rerank))
    assert (usd(event), event.usage_state, event.flags) == ("0.006", "measured", ())  # 3 * 2 / 1000


def test_a_rerank_that_tells_nothing_is_unmetered_and_never_free() -> None:
    [event] = booked(told("opentelemetry.instrumentation.cohere", genai("rerank", "cohere", "rerank-v3.5"), name="cohere.rerank"))
    assert (event.cost_usd, event.price_state, event.usage_state) == (None, "unpriced", "missing")


def test_embeddings_of_a_total_alone() -> None:
    [event] = booked(told("my.app", genai("embeddings", "openai", "text-embedding-3-small", total_tokens=2539)))
    assert (usd(event), event.input_tokens, event.output_tokens) == ("0.00005078", 2539, None)  # 2539 * 0.02 / million


@pytest.mark.parametrize(
    ("tier_told", "expected"),
    [
        (None, "0.00225"),  # 1000*1.25 + 100*10 = 2250
        ("default", "0.00225"),
        ("batch", "0.001125"),
        ("flex", "0.001125"),
        ("priority", "0.0045"),
        ("reserved-of-ours", "no_rate_for_tier"),
    ],
)
def test_the_tier_that_the_response_tells(tier_told: str | None, expected: str) -> None:
    attributes = genai("chat", "openai", "gpt-5", input_tokens=1000, output_tokens=100)
    asked = {"openai.request.service_tier": "priority"}  # what was asked for is not what is charged
    answered = {"openai.response.service_tier": tier_told} if tier_told else {}
    got = cost_of("opentelemetry.instrumentation.genai.openai", {**attributes, **asked, **answered})
    assert got is not None
    assert got.partition(":")[0] == expected


# -- what providers' own tools cost --------------------------------------------------------------------------------------


def test_web_searches_beside_the_tokens() -> None:
    usage_object = "{'prompt_tokens': 1000, 'completion_tokens': 10, 'server_tool_use': {'web_search_requests': 2}}"
    attributes = {**genai("acompletion", "anthropic", "claude-sonnet-4-5", input_tokens=1000, output_tokens=10)}
    # 1000*3 + 10*15 = 3150 per million, and two searches at 10 per thousand
    assert cost_of("litellm", {**attributes, "metadata.usage_object": usage_object}, name="litellm_request") == "0.02315"
    assert cost_of("my.app", {**attributes, "gen_ai.usage.web_search_requests": 2}) == "0.02315"


def test_searches_that_have_no_price_leave_the_call_unpriced() -> None:
    attributes = genai("chat", "openai", "gpt-5", input_tokens=1000, output_tokens=10, web_search_requests=1)
    assert cost_of("my.app", attributes) == "no_rate:web_search_requests"


HOSTED = """
[[enrich.meters]]
name = "code-interpreter"
tools = ["code_interpreter"]
rates = [{ unit = "sessions", attribute = "container.sessions", amount = "0.03" }]

[[enrich.meters]]
name = "file-search"
tools = ["file_search"]
charge_failed = false
rates = [{ amount = "2.5", per = 1000 }]
"""


def test_tools_that_the_provider_runs() -> None:
    """A chat with three spans of hosted tools below it: two sessions at 0.03, a search at 0.0025, and a failed one for nothing."""
    chat = told("my.app", genai("chat", "openai", "gpt-5", input_tokens=1000, output_tokens=100))
    interpreter = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "code_interpreter", "container.sessions": 2}
    search = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "file_search"}
    tools = [
        told("my.app", interpreter, number=2, parent=1),
        told("my.app", search, number=3, parent=1),
        told("my.app", search, number=4, parent=1, status=2),
    ]
    events = booked(chat, *tools, toml=HOSTED)
    assert [(event.cost_surface, usd(event)) for event in events] == [
        ("inference", "0.00225"),
        ("tool_execution", "0.06"),
        ("tool_execution", "0.0025"),
    ]


# -- usage that is not there, or half there ------------------------------------------------------------------------------


def test_a_stream_without_usage_is_unmetered() -> None:
    [event] = booked(told("opentelemetry.instrumentation.openai_v2", genai("chat", "openai", "gpt-5")))
    assert (event.usage_state, event.price_state, event.price_reason, event.cost_usd) == ("missing", "unpriced", "no_usage", None)
    assert event.lines == ()


def test_an_estimate_of_the_emitters_is_marked_through_to_the_event() -> None:
    attributes = {
        **genai("chat", "openai", "gpt-5", input_tokens=1000, output_tokens=100),
        "openai.api.type": "chat_completions",
        "gen_ai.request.stream": True,
    }
    [event] = booked(told("openlit.instrumentation.openai", attributes))
    assert (event.usage_state, usd(event)) == ("estimated", "0.00225")


def test_a_stream_that_was_broken_off_is_charged_for_what_it_told() -> None:
    """Anthropic tells the input at the beginning; the client went away before the output was told."""
    attributes = {**genai("chat", "anthropic", "claude-sonnet-4-5", input_tokens=1000), "error.type": "CancelledError"}
    [event] = booked(told("opentelemetry.instrumentation.genai.anthropic", attributes, status=2))
    assert (event.usage_state, event.status, usd(event), event.flags) == ("partial", "error", "0.003", ("output_unknown",))


def test_every_attempt_is_an_event_of_its_own() -> None:
    """A retried call: the first attempt was refused, the second timed out after it had told its input, the third answered."""
    about = genai("chat", "azure.ai.openai", "gpt-5")
    refused = told("my.app", {**about, "error.type": "429", "http.request.resend_count": 0}, number=1, status=2)
    stalled = told("my.app", {**about, "error.type": "timeout", "gen_ai.usage.input_tokens": 1000}, number=2, status=2)
    answered = told(
        "my.app", {**about, "http.request.resend_count": 2, "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100}, number=3
    )
    events = booked(refused, stalled, answered)
    assert [(event.attempt, event.status, event.provider_billing, event.customer_billable) for event in events] == [
        (0, "error", "not_billed", False),
        (None, "error", "billed", True),
        (2, "ok", "billed", True),
    ]
    ours = """
[enrich.failures]
customer_pays = "never"
"""
    assert [event.customer_billable for event in booked(refused, stalled, answered, toml=ours)] == [False, False, True]


def test_the_emitters_cost_is_kept_beside_ours() -> None:
    attributes = {**genai("chat", "openai", "gpt-5", input_tokens=1000, output_tokens=100), "gen_ai.usage.cost": 0.005}
    [event] = booked(told("openlit.instrumentation.openai", attributes))
    assert event.emitter_cost_usd is not None
    assert (usd(event), text_from_atto(event.emitter_cost_usd)) == ("0.00225", "0.005")


# -- usage in JSON -------------------------------------------------------------------------------------------------------

WRITES = {"ephemeral_5m_input_tokens": 1200, "ephemeral_1h_input_tokens": 2200}
CLAUDE_RAW = {
    "input_tokens": 194,
    "output_tokens": 847,
    "cache_read_input_tokens": 4000,
    "cache_creation_input_tokens": 3400,
    "cache_creation": WRITES,
}

IN_JSON: dict[str, tuple[str, dict[str, Any]]] = {
    "langfuse": (
        "langfuse-sdk",
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.model.name": "claude-sonnet-4-5-20250929",
            "langfuse.observation.usage_details": {
                "input": 194,
                "output": 847,
                "cache_read_input_tokens": 4000,
                "cache_creation_input_tokens": 3400,
                **{f"cache_creation_{key}": count for key, count in WRITES.items()},
            },
        },
    ),
    "mlflow": (
        "mlflow.tracing.provider",
        {
            "mlflow.spanType": '"CHAT_MODEL"',
            "mlflow.llm.model": '"claude-sonnet-4-5"',
            "mlflow.llm.provider": '"anthropic"',
            "mlflow.chat.tokenUsage": {
                "input_tokens": 7594,
                "output_tokens": 847,
                "total_tokens": 8441,
                "cache_read_input_tokens": 4000,
                "cache_creation_input_tokens": 3400,
                "cache_creation_input_tokens_above_1hr": 2200,
            },
        },
    ),
    "langsmith": (
        "langsmith",
        {
            "langsmith.span.kind": "llm",
            **genai("chat", "anthropic", "claude-sonnet-4-5", input_tokens=7594, output_tokens=847),
            "langsmith.metadata.usage_metadata": {
                "input_tokens": 7594,
                "output_tokens": 847,
                "input_token_details": {"cache_read": 4000, "cache_creation": 0, **WRITES},
            },
        },
    ),
    "vercel": (
        "ai",
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "gen_ai.system": "anthropic.messages",
            "gen_ai.request.model": "claude-sonnet-4-5",
            "gen_ai.response.model": "claude-sonnet-4-5-20250929",
            "ai.response.providerMetadata": {"anthropic": {"usage": CLAUDE_RAW}},
            "gen_ai.usage.input_tokens": 194,
            "gen_ai.usage.output_tokens": 847,
        },
    ),
    "a raw response": (
        "openinference.instrumentation.anthropic",
        {
            "openinference.span.kind": "LLM",
            "llm.provider": "anthropic",
            "llm.model_name": "claude-sonnet-4-5",
            "output.value": {"id": "msg_1", "model": "claude-sonnet-4-5-20250929", "usage": CLAUDE_RAW},
        },
    ),
}


@pytest.mark.parametrize("emitter", IN_JSON)
def test_cache_writes_of_two_ttls_told_only_in_json(emitter: str) -> None:
    """194*3 + 4000*0.3 + 1200*3.75 + 2200*6 + 847*15 = 582 + 1200 + 4500 + 13200 + 12705 = 32187 per million."""
    scope, attributes = IN_JSON[emitter]
    [event] = booked(told(scope, attributes))
    assert usd(event) == "0.032187"
    assert (event.cache_write_5m_tokens, event.cache_write_1h_tokens, event.usage_state) == (1200, 2200, "measured")


def test_genkit_tells_all_in_its_output() -> None:
    """Gemini thinks beside its output: 1060*0.3 + 1265*0.03 + (294 + 1255)*2.5 = 318 + 37.95 + 3872.5 = 4228.45 per million."""
    usage = {"inputTokens": 2325, "outputTokens": 294, "thoughtsTokens": 1255, "totalTokens": 3874, "cachedContentTokens": 1265}
    attributes = {
        "genkit:type": "action",
        "genkit:metadata:subtype": "model",
        "genkit:name": "googleai/gemini-2.5-flash",
        "genkit:output": {"custom": {"modelVersion": "gemini-2.5-flash"}, "usage": usage},
    }
    assert cost_of("genkit-tracer", attributes) == "0.00422845"
