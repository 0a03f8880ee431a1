"""Golden tables: published prices x hand-written usage for each provider, with the sums done on paper (in millionths of a dollar)."""

from datetime import UTC, datetime

import pytest

from spanledger.enrich.money import text_from_atto
from spanledger.enrich.plans import in_window
from spanledger.enrich.price import Catalog
from spanledger.enrich.records import Call, Usage

CATALOG = Catalog.shipped()
NOON_NS = 1_795_176_000 * 10**9  # Friday 2026-11-20 12:00 UTC
PEAK_NS = NOON_NS - 5 * 3600 * 10**9  # 07:00 UTC
M = 1_000_000


def extra(**counts: int) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items()))


GOLDEN = [
    # OpenAI gpt-5: 1.25 in, 0.125 cached, 10 out. 1000 x 1.25 + 9000 x 0.125 + 200 x 10 = 1250 + 1125 + 2000
    ("openai", "gpt-5", Usage(10_000, 200, 9_000), {}, NOON_NS, "0.004375"),
    # flex and batch are half of it, priority is double; cached 0.0625 and 0.25
    ("openai", "gpt-5", Usage(10_000, 200, 9_000), {"service_tier": "flex"}, NOON_NS, "0.0021875"),
    ("openai", "gpt-5", Usage(10_000, 200, 9_000), {"service_tier": "priority"}, NOON_NS, "0.00875"),
    # gpt-5.4: 2.5 in, 15 out; above 272,000 5 and 22.5 for the whole request: 272,001 x 5 + 1000 x 22.5
    ("openai", "gpt-5.4", Usage(272_000, 1000), {}, NOON_NS, "0.695"),
    ("openai", "gpt-5.4", Usage(272_001, 1000), {}, NOON_NS, "1.382505"),
    # data residency: 1.1 times. (1000 x 2.5 + 100 x 15) x 1.1 = 4000 x 1.1
    ("openai", "gpt-5.4", Usage(1000, 100), {"region": "eu"}, NOON_NS, "0.0044"),
    ("openai", "gpt-5.4", Usage(1000, 100), {}, NOON_NS, "0.004"),
    ("openai", "text-embedding-3-large", Usage(10_000, 0), {}, NOON_NS, "0.0013"),  # 0.13
    # Anthropic claude-sonnet-4-5: 3 in, 0.3 read, 3.75 and 6 written, 15 out.
    # 500 x 3 + 2000 x 0.3 + 1000 x 3.75 + 500 x 6 + 100 x 15 = 1500 + 600 + 3750 + 3000 + 1500
    ("anthropic", "claude-sonnet-4-5", Usage(4_000, 100, 2_000, 1_500, 1_000, 500), {}, NOON_NS, "0.01035"),
    # batch halves every one of them
    ("anthropic", "claude-sonnet-4-5", Usage(4_000, 100, 2_000, 1_500, 1_000, 500), {"service_tier": "batch"}, NOON_NS, "0.005175"),
    # inference_geo us is 1.1 times for Opus 4.6 and later, tools are not: (1000 x 5 + 100 x 25) x 1.1 + 2 x 10,000
    ("anthropic", "claude-opus-4-6", Usage(1000, 100, extra=extra(web_search_requests=2)), {"region": "us"}, NOON_NS, "0.02825"),
    ("anthropic", "claude-opus-4-6", Usage(1000, 100, extra=extra(web_search_requests=2)), {}, NOON_NS, "0.0275"),
    # Google gemini-2.5-pro: 1.25 and 10, above 200,000 2.5 and 15, of which the whole request is
    ("gcp.gemini", "gemini-2.5-pro", Usage(199_999, 1000), {}, NOON_NS, "0.25999875"),
    ("gcp.gemini", "gemini-2.5-pro", Usage(200_000, 1000), {}, NOON_NS, "0.26"),
    ("gcp.gemini", "gemini-2.5-pro", Usage(200_001, 1000), {}, NOON_NS, "0.5150025"),
    # reasoning is output: 100 x 1.25 + 500 x 10
    ("gcp.gemini", "gemini-2.5-pro", Usage(100, 500, reasoning_tokens=400), {}, NOON_NS, "0.005125"),
    # Vertex: a regional endpoint is 1.1 times for Claude Sonnet 4.5, the global one is not: (1000 x 3 + 100 x 15) x 1.1
    ("gcp.vertex_ai", "claude-sonnet-4-5", Usage(1000, 100), {"region": "us-east5"}, NOON_NS, "0.00495"),
    ("gcp.vertex_ai", "claude-sonnet-4-5", Usage(1000, 100), {"region": "global"}, NOON_NS, "0.0045"),
    # Bedrock: 0.8 and 3.2 for Nova Pro; Claude's regional profiles are a tenth dearer than the global ones
    ("aws.bedrock", "amazon.nova-pro-v1:0", Usage(1000, 100), {}, NOON_NS, "0.00112"),
    ("aws.bedrock", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", Usage(1000, 100), {}, NOON_NS, "0.0045"),
    ("aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", Usage(1000, 100), {}, NOON_NS, "0.00495"),
    # Azure sells OpenAI's models at OpenAI's price, in a data zone a tenth dearer: 1000 x 2.5 + 100 x 10
    ("azure.ai.openai", "gpt-4o-2024-08-06", Usage(1000, 100), {}, NOON_NS, "0.0035"),
    ("azure.ai.openai", "gpt-5-2025-08-07", Usage(1000, 100), {"region": "eu"}, NOON_NS, "0.002475"),
    # Mistral Small 3.2 and Cohere's reranker by the search (2 per 1000)
    ("mistral_ai", "mistral-medium-2508", Usage(1000, 100), {}, NOON_NS, "0.0006"),  # 0.4 and 2
    ("cohere", "rerank-v3.5", Usage(extra=extra(search_units=3)), {}, NOON_NS, "0.006"),
    # DeepSeek V4 Pro: 0.66, 0.022 and 1.98, at peak 1.32, 0.044 and 3.96. 1000 x 0.66 + 1000 x 0.022 + 100 x 1.98
    ("deepseek", "deepseek-v4-pro", Usage(2000, 100, 1000), {}, NOON_NS, "0.00088"),
    ("deepseek", "deepseek-v4-pro", Usage(2000, 100, 1000), {}, PEAK_NS, "0.00176"),
    # xAI's long-context price begins at 200,000
    ("x_ai", "grok-4.3", Usage(199_999, 0), {}, NOON_NS, "0.24999875"),
    ("x_ai", "grok-4.3", Usage(200_000, 0), {}, NOON_NS, "0.5"),
    # Groq's Whisper at 0.111 an hour: 3 s are billed as 10 (10/3600 x 0.111), 60 s as 60, none as none
    ("groq", "whisper-large-v3", Usage(extra=extra(audio_ms=3_000)), {}, NOON_NS, "0.000308333333333333"),
    ("groq", "whisper-large-v3", Usage(extra=extra(audio_ms=10_000)), {}, NOON_NS, "0.000308333333333333"),
    ("groq", "whisper-large-v3", Usage(extra=extra(audio_ms=60_000)), {}, NOON_NS, "0.00185"),
    ("groq", "whisper-large-v3", Usage(extra=extra(audio_ms=3_000)), {"service_tier": "batch"}, NOON_NS, "0.000154166666666667"),
    # Perplexity Sonar: 1 in, 1 out and 12 per 1000 requests: 1000 + 100 + 12,000
    ("perplexity", "sonar", Usage(1000, 100), {}, NOON_NS, "0.0131"),
    # deep research: 2 in, 8 out, citations 2, searches 5 per 1000: 2000 + 50 x 8 + 50 x 2 + 15,000
    ("perplexity", "sonar-deep-research", Usage(1000, 100, extra=extra(citation_tokens=50, web_search_requests=3)), {}, NOON_NS, "0.0175"),
    # per search, audio and image parts at their own rates, seconds, characters, pages
    ("openai", "gpt-5", Usage(1000, 100, extra=extra(web_search_requests=2)), {}, NOON_NS, "0.02225"),  # 1250 + 1000 + 20,000
    # 600 x 2.5 + 400 x 40 + 50 x 10 + 50 x 80 = 1500 + 16,000 + 500 + 4000
    ("openai", "gpt-4o-audio-preview", Usage(1000, 100, extra=extra(input_audio_tokens=400, output_audio_tokens=50)), {}, NOON_NS, "0.022"),
    # 500 x 5 + 500 x 10 + 1000 x 40
    ("openai", "gpt-image-1", Usage(1000, 1000, extra=extra(input_image_tokens=500, output_image_tokens=1000)), {}, NOON_NS, "0.0475"),
    ("openai", "whisper-1", Usage(extra=extra(audio_ms=90_000)), {}, NOON_NS, "0.009"),  # 0.36 an hour, 90 of 3600 s
    ("openai", "tts-1", Usage(extra=extra(input_characters=1000)), {}, NOON_NS, "0.015"),
    ("mistral_ai", "mistral-ocr-latest", Usage(extra=extra(pages=7)), {}, NOON_NS, "0.028"),  # 4 per 1000 pages
    ("voyageai", "rerank-2.5", Usage(1000, 0), {}, NOON_NS, "0.00005"),
    ("gcp.gemini", "gemini-2.5-pro", Usage(1000, 100, extra=extra(maps_grounding_requests=2)), {}, NOON_NS, "0.05225"),  # 25 per 1000
    ("gcp.gemini", "gemini-2.5-flash", Usage(1000, 100, extra=extra(input_audio_tokens=500)), {}, NOON_NS, "0.0009"),  # 150 + 500 + 250
    # batch, where each seller has it: half of 1.25 and 10, of 0.8 and 3.2, of 0.15 and 0.6
    ("gcp.gemini", "gemini-2.5-pro", Usage(1000, 100), {"service_tier": "batch"}, NOON_NS, "0.001125"),
    ("aws.bedrock", "amazon.nova-pro-v1:0", Usage(1000, 100), {"service_tier": "batch"}, NOON_NS, "0.00056"),
    ("groq", "openai/gpt-oss-120b", Usage(1000, 100), {"service_tier": "batch"}, NOON_NS, "0.000105"),
    # Azure's batch of GPT-4o halves input and output; what was cached costs what it always does: 500 x 1.25 + 500 x 1.25 + 100 x 5
    ("azure.ai.openai", "gpt-4o", Usage(1000, 100, 500), {"service_tier": "batch"}, NOON_NS, "0.00175"),
    # Anthropic's old long context, above 200,000: 6 and 22.5. All input counts for it, also what was cached: 1 x 6 + 200,000 x 0.6
    ("anthropic", "claude-sonnet-4-5", Usage(199_999, 100), {}, NOON_NS, "0.601497"),
    ("anthropic", "claude-sonnet-4-5", Usage(200_000, 100), {}, NOON_NS, "0.6015"),
    ("anthropic", "claude-sonnet-4-5", Usage(200_001, 100), {}, NOON_NS, "1.202256"),
    ("anthropic", "claude-sonnet-4-5", Usage(200_001, 0, 200_000), {}, NOON_NS, "0.120006"),
    ("x_ai", "grok-4.3", Usage(200_001, 100), {}, NOON_NS, "0.5005025"),  # 200,001 x 2.5 + 100 x 5
    # the others, at their plain rates
    ("groq", "llama-3.3-70b-versatile", Usage(1000, 100), {}, NOON_NS, "0.000669"),
    ("cohere", "command-r-plus-08-2024", Usage(1000, 100), {}, NOON_NS, "0.0035"),
    ("moonshot_ai", "kimi-k2.5", Usage(1000, 100), {}, NOON_NS, "0.0009"),
    ("openrouter", "anthropic/claude-sonnet-4.5", Usage(1000, 100), {}, NOON_NS, "0.0045"),
    ("fireworks", "accounts/fireworks/models/deepseek-v3p1", Usage(1000, 100), {}, NOON_NS, "0.000728"),
    ("together", "deepseek-ai/DeepSeek-V3.1", Usage(1000, 100), {}, NOON_NS, "0.00077"),
    ("cerebras", "gpt-oss-120b", Usage(1000, 100), {}, NOON_NS, "0.000425"),
]


@pytest.mark.parametrize(("provider", "model", "usage", "said", "at_ns", "expected"), GOLDEN)
def test_golden(provider: str, model: str, usage: Usage, said: dict[str, str], at_ns: int, expected: str) -> None:
    call = Call("t", provider=provider, request_model=model, response_model=model, usage=usage, **said)  # type: ignore[arg-type]  # texts
    priced = CATALOG.price(call, at_ns)
    assert priced.reason is None
    assert text_from_atto(priced.cost_usd or 0) == expected
    assert sum(line.cost_usd for line in priced.lines) == priced.cost_usd == priced.list_cost_usd


def test_a_minimum_shows_in_the_line() -> None:
    call = Call("t", provider="groq", request_model="whisper-large-v3", usage=Usage(extra=extra(audio_ms=3_000)))
    assert [(line.unit, line.quantity) for line in CATALOG.price(call, NOON_NS).lines] == [("audio_ms", 10_000)]


def test_a_surcharge_names_both_its_rates_and_is_unknown_before_its_day() -> None:
    call = Call("t", provider="anthropic", request_model="claude-opus-4-6", usage=Usage(1000, 0), region="us")
    [line] = CATALOG.price(call, NOON_NS).lines
    assert (line.amount, line.rate_id.count("*")) == ("5.5", 1)
    assert CATALOG.price(call, 1_772_323_200 * 10**9).reason == "not_effective_yet"  # 2026-03-01


def cost(provider: str, model: str, usage: Usage, at_ns: int, tier: str | None = None) -> str | None:
    call = Call("t", provider=provider, request_model=model, response_model=model, usage=usage, service_tier=tier)
    priced = CATALOG.price(call, at_ns)
    return priced.reason if priced.cost_usd is None else text_from_atto(priced.cost_usd)


def ns(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 10**9  # type: ignore[arg-type,misc]  # year, month, day, …


def test_a_batch_before_its_price_is_known_has_none() -> None:
    usage = Usage(1000, 100)
    assert cost("anthropic", "claude-sonnet-4-5", usage, ns(2026, 6, 1), "batch") == "not_effective_yet"
    assert cost("anthropic", "claude-sonnet-4-5", usage, ns(2026, 6, 1)) == "0.0045"  # 1000 x 3 + 100 x 15
    assert cost("anthropic", "claude-sonnet-4-5", usage, NOON_NS, "batch") == "0.00225"
    first = ns(2026, 10, 14)
    assert cost("groq", "whisper-large-v3", Usage(extra=extra(audio_ms=60_000)), first - 1, "batch") == "not_effective_yet"
    assert cost("groq", "whisper-large-v3", Usage(extra=extra(audio_ms=60_000)), first, "batch") == "0.000925"
    assert cost("openai", "gpt-5", usage, NOON_NS, "scale") == "no_rate_for_tier:scale"  # and not the standard price


@pytest.mark.parametrize(
    ("at_ns", "peak"),
    [
        # 01:00-04:00 and 06:00-10:00 UTC from Monday to Friday, the first moment in and the last out
        (ns(2026, 11, 20, 1) - 1, False), (ns(2026, 11, 20, 1), True), (ns(2026, 11, 20, 4) - 1, True), (ns(2026, 11, 20, 4), False),
        (ns(2026, 11, 20, 10) - 1, True), (ns(2026, 11, 20, 10), False),
        (ns(2026, 11, 21, 2), False), (ns(2026, 11, 22, 2), False), (ns(2026, 11, 23, 2), True),  # Saturday, Sunday, Monday
        # the hours are UTC's, whatever clocks do elsewhere: Berlin's went back on 2026-10-25, New York's on 2026-11-01
        (ns(2026, 10, 23, 1), True), (ns(2026, 10, 26, 1), True), (ns(2026, 10, 26, 4), False), (ns(2026, 11, 2, 6), True),
        # before 2026-08-23 weekends had peaks too; before 2026-08-16 16:00 there were none
        (ns(2026, 8, 22, 2), True), (ns(2026, 8, 23, 2), False), (ns(2026, 8, 17, 2), True),
    ],
)  # fmt: skip
def test_peak_hours(at_ns: int, *, peak: bool) -> None:
    assert cost("deepseek", "deepseek-v4-pro", Usage(1000, 0), at_ns) == ("0.00132" if peak else "0.00066")


def test_a_window_over_midnight_has_both_sides_of_it() -> None:
    day = ns(2026, 3, 29)  # clocks go forward in Berlin that night
    assert [in_window("22:00-04:00", day + hour * 3600 * 10**9) for hour in (-3, -2, 0, 3, 4)] == [False, True, True, True, False]
    sunday, monday = "22:00-04:00 7-7", "22:00-04:00 1-1"
    assert (in_window(sunday, day + 23 * 3600 * 10**9), in_window(sunday, day + 25 * 3600 * 10**9)) == (True, False)
    assert in_window(monday, day + 25 * 3600 * 10**9)  # the weekday is that of the time itself


def test_the_tier_that_was_served_decides() -> None:
    """Which of the two a span says is the dialect's to find; a call has one, and it goes before the standard rate."""
    usage = Usage(1000, 100)
    assert [cost("openai", "gpt-5", usage, NOON_NS, tier) for tier in (None, "default", "auto", "priority", "flex", "batch")] == [
        "0.00225", "0.00225", "0.00225", "0.0045", "0.001125", "0.001125",
    ]  # fmt: skip


def test_what_a_call_reports_and_nobody_has_a_rate_for_is_not_free() -> None:
    for unit in ("file_search_requests", "search_units", "social_search_requests"):
        assert cost("mistral_ai", "mistral-medium-2508", Usage(1000, 100, extra=extra(**{unit: 1})), NOON_NS) == f"no_rate:{unit}"
