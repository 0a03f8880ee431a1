"""Prices against sums on paper (published price x usage), at every boundary, and for everything that has no price."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.enrich.catalog.load import pack
from spanledger.enrich.catalog.rows import BASE, Entry, Rate, catalog_text
from spanledger.enrich.money import atto_from_text, text_from_atto
from spanledger.enrich.price import COUNT_MAX, Catalog, Priced, _price_classes, _price_open, price_usage
from spanledger.enrich.records import Call, Usage

CATALOG = Catalog.shipped()
NOON = "2026-11-20T12:00:00"
MODELS = [
    ("openai", "gpt-5"),
    ("openai", "gpt-5.6-sol"),
    ("openai", "gpt-realtime"),
    ("anthropic", "claude-sonnet-4-5"),
    ("gcp.gemini", "gemini-2.5-pro"),
    ("aws.bedrock", "amazon.nova-pro-v1:0"),
    ("perplexity", "sonar-deep-research"),
    ("deepseek", "deepseek-v4-pro"),
    ("cohere", "command-r-plus"),
]


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def price(
    provider: str | None,
    model: str,
    usage: Usage | None,
    at: str = NOON,
    *,
    tier: str | None = None,
    region: str | None = None,
    asked: str | None = None,
) -> Priced:
    call = Call(
        "test", provider=provider, request_model=asked or model, response_model=model, usage=usage, service_tier=tier, region=region
    )
    return CATALOG.price(call, ns(at))


def cost(*arguments: object, **keywords: object) -> str | None:
    priced = price(*arguments, **keywords)  # type: ignore[arg-type]  # the arguments of price
    assert (priced.cost_usd is None) == (priced.reason is not None)
    return priced.reason if priced.cost_usd is None else text_from_atto(priced.cost_usd)


def test_chat_on_paper() -> None:
    # gpt-5: 1.25 in, 0.125 cached, 10 out per million. (1744-512)*1.25 + 512*0.125 + 1376*10 = 1540 + 64 + 13760 = 15364 millionths
    priced = price("openai", "gpt-5-2025-08-07", Usage(1744, 1376, 512, 0, None, None, 669))
    assert [(line.unit, line.quantity, line.amount, line.per, text_from_atto(line.cost_usd)) for line in priced.lines] == [
        ("input_tokens", 1232, "1.25", 1_000_000, "0.00154"),
        ("cache_read_tokens", 512, "0.125", 1_000_000, "0.000064"),
        ("output_tokens", 1376, "10", 1_000_000, "0.01376"),
    ]
    assert priced.cost_usd == atto_from_text("0.015364")
    assert (priced.state, priced.reason) == ("priced", None)


def test_cache_writes_by_ttl_on_paper() -> None:
    # claude-sonnet-4-5: 3 in, 0.3 read, 3.75 write (5 minutes), 6 write (1 hour), 15 out.
    # 1000*3 + 4000*0.3 + 300*3.75 + 200*6 + 100*3.75 (TTL unknown) + 50*15 = 3000+1200+1125+1200+375+750 = 7650
    priced = price("anthropic", "claude-sonnet-4-5", Usage(5600, 50, 4000, 600, 300, 200))
    assert priced.cost_usd == atto_from_text("0.00765")
    assert [(line.unit, line.quantity) for line in priced.lines] == [
        ("input_tokens", 1000),
        ("cache_read_tokens", 4000),
        ("cache_write_1h_tokens", 200),
        ("cache_write_tokens", 400),
        ("output_tokens", 50),
    ]


def test_writes_known_by_ttl_only_count_as_writes() -> None:
    assert cost("anthropic", "claude-sonnet-4-5", Usage(1000, 0, 0, None, 300, 200)) == cost(
        "anthropic", "claude-sonnet-4-5", Usage(1000, 0, 0, 500, 300, 200)
    )


def test_a_write_is_plain_input_where_the_provider_does_not_charge_for_it() -> None:
    # gpt-5 has no price for cache writes: 1000 * 1.25
    assert cost("openai", "gpt-5", Usage(1000, 0, 0, 100)) == "0.00125"
    # gpt-5.6-sol has: what it charges for 100 written tokens is not what it charges for 100 read or plain ones
    assert [line.unit for line in price("openai", "gpt-5.6-sol", Usage(1000, 0, 0, 100)).lines] == ["input_tokens", "cache_write_tokens"]


def test_a_longer_ttl_is_never_billed_as_a_shorter_one() -> None:
    # gpt-5.6-sol has no 1-hour class
    assert cost("openai", "gpt-5.6-sol", Usage(1000, 0, 0, 100, None, 100)) == "no_rate:cache_write_1h_tokens"


def test_reasoning_has_its_own_rate_where_published() -> None:
    # sonar-deep-research: 2 in, 8 out, 3 reasoning, 2 citation: 100*2 + 50*8 + 200*3 + 30*2 = 200+400+600+60 = 1260
    usage = Usage(100, 280, reasoning_tokens=200, extra=(("citation_tokens", 30),))
    assert cost("perplexity", "sonar-deep-research", usage) == "0.00126"


def test_audio_parts_on_paper() -> None:
    # gpt-4o-audio-preview: 2.5 in, 10 out, audio 40 in, 80 out: 200*2.5 + 800*40 + 50*10 + 50*80 = 500+32000+500+4000
    usage = Usage(1000, 100, extra=(("input_audio_tokens", 800), ("output_audio_tokens", 50)))
    assert cost("openai", "gpt-4o-audio-preview", usage) == "0.037"


def test_cached_audio_is_taken_from_both_audio_and_cache() -> None:
    # gpt-realtime: 4 in, 0.4 cached, audio 32 in, 0.4 cached audio. Of 1000 in 600 are audio, 300 cached, 100 cached audio:
    # 200*4 + 500*32 + 200*0.4 + 100*0.4 = 800 + 16000 + 80 + 40
    usage = Usage(1000, 0, 300, extra=(("cache_read_audio_tokens", 100), ("input_audio_tokens", 600)))
    assert cost("openai", "gpt-realtime", usage) == "0.01692"


def test_tools_and_pieces_on_paper() -> None:
    # two web searches at 10 per 1000, 1000 in at 3, 10 out at 15
    assert cost("anthropic", "claude-sonnet-4-5", Usage(1000, 10, extra=(("web_search_requests", 2),))) == "0.02315"
    assert cost("cohere", "rerank-v3.5", Usage(extra=(("search_units", 3),))) == "0.006"  # 2 per 1000 units
    assert cost("openai", "whisper-1", Usage(extra=(("audio_ms", 60_000),))) == "0.006"  # 0.0001 a second
    assert cost("perplexity", "sonar", Usage(1000, 10)) == "0.01301"  # 1 in, 1 out, and 12 per 1000 requests
    # 17 seconds at 0.111 an hour do not come out even: rounded at the 18th place
    assert cost("groq", "whisper-large-v3", Usage(extra=(("audio_ms", 17_000),))) == "0.000524166666666667"


def test_a_request_is_charged_by_tokens_or_by_the_piece_never_both() -> None:
    assert cost("openai", "gpt-4o-transcribe", Usage(100, 10, extra=(("audio_ms", 60_000),))) == cost(
        "openai", "gpt-4o-transcribe", Usage(100, 10)
    )


@pytest.mark.parametrize(
    ("provider", "model", "total", "expected"),
    [
        ("gcp.gemini", "gemini-2.5-pro", 199_999, "0.24999875"),  # 1.25
        ("gcp.gemini", "gemini-2.5-pro", 200_000, "0.25"),  # above 200,000, not from
        ("gcp.gemini", "gemini-2.5-pro", 200_001, "0.5000025"),  # 2.5, on every token of the request
        ("x_ai", "grok-4.3", 199_999, "0.24999875"),  # 1.25
        ("x_ai", "grok-4.3", 200_000, "0.5"),  # xAI's tier begins at 200,000
        ("x_ai", "grok-4.3", 200_001, "0.5000025"),
        ("openai", "gpt-5.4", 272_000, "0.68"),  # 2.5
        ("openai", "gpt-5.4", 272_001, "1.360005"),  # 5
    ],
)
def test_long_context_boundary(provider: str, model: str, total: int, expected: str) -> None:
    assert cost(provider, model, Usage(total, 0)) == expected


def test_long_context_counts_cached_tokens_and_raises_every_line() -> None:
    # 100,000 plain and 150,000 read: above 200,000 together, so 2.5 in, 0.25 read, 15 out: 0.25 + 0.0375 + 0.015
    assert cost("gcp.gemini", "gemini-2.5-pro", Usage(250_000, 1000, 150_000)) == "0.3025"


def test_batch_before_its_date_is_unpriced_not_standard() -> None:
    usage = Usage(100_000, 0)
    assert cost("anthropic", "claude-sonnet-4-5", usage, "2026-06-01", tier="batch") == "not_effective_yet"
    assert cost("anthropic", "claude-sonnet-4-5", usage, "2026-10-13T23:59:59", tier="batch") == "not_effective_yet"
    assert cost("anthropic", "claude-sonnet-4-5", usage, "2026-10-14", tier="batch") == "0.15"
    assert cost("anthropic", "claude-sonnet-4-5", usage, "2026-06-01") == "0.3"


def test_prices_have_dates() -> None:
    # o3 was 10 and 40 until 2025-06-10, then 2 and 8
    usage = Usage(1_000_000 - 800_000, 1000)
    assert cost("openai", "o3", usage, "2025-06-09T23:59:59") == "2.04"
    assert cost("openai", "o3", usage, "2025-06-10") == "0.408"


@pytest.mark.parametrize("tier", [None, "", "default", "standard", "auto", "ON_DEMAND", "SERVICE_TIER_STANDARD"])
def test_standard_tiers(tier: str | None) -> None:
    assert cost("openai", "gpt-5", Usage(1000, 0), tier=tier) == "0.00125"


@pytest.mark.parametrize(
    ("tier", "expected"), [("flex", "0.000625"), ("priority", "0.0025"), ("batch", "0.000625"), ("scale", "no_rate_for_tier:scale")]
)
def test_service_tiers(tier: str, expected: str) -> None:
    assert cost("openai", "gpt-5", Usage(1000, 0), tier=tier) == expected


def test_a_unit_without_a_price_in_the_tier_keeps_the_standard_one() -> None:
    # OpenAI's batch table has no cached price: gpt-4o batch 1.25 in, cached 1.25 as in standard
    assert cost("openai", "gpt-4o", Usage(2000, 0, 1000), tier="batch") == "0.0025"


def test_regions() -> None:
    assert cost("azure.ai.openai", "gpt-5-2025-08-07", Usage(1000, 0), region="eu") == "0.001375"
    assert cost("azure.ai.openai", "gpt-5-2025-08-07", Usage(1000, 0)) == "0.00125"
    assert cost("aws.bedrock", "eu.amazon.nova-pro-v1:0", Usage(1000, 0)) == "0.00105"
    assert cost("aws.bedrock", "us.amazon.nova-pro-v1:0", Usage(1000, 0)) == "0.0008"
    assert cost("aws.bedrock", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", Usage(1000, 0)) == "0.003"
    assert cost("aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", Usage(1000, 0)) == "0.0033"


def test_time_of_day_and_weekday() -> None:
    usage = Usage(1_000_000, 0)
    assert cost("deepseek", "deepseek-v4-pro", usage, "2026-11-20T07:00:00") == "1.32"  # Friday, peak
    assert cost("deepseek", "deepseek-v4-pro", usage, "2026-11-20T09:59:59") == "1.32"
    assert cost("deepseek", "deepseek-v4-pro", usage, "2026-11-20T10:00:00") == "0.66"
    assert cost("deepseek", "deepseek-v4-pro", usage, "2026-11-21T07:00:00") == "0.66"  # Saturday
    assert cost("deepseek", "deepseek-v4-pro", usage, "2026-08-22T07:00:00") == "1.32"  # a Saturday before weekends were off-peak
    assert cost("deepseek", "deepseek-v4-pro", usage, "2026-08-01T07:00:00") == "0.435"  # before there was a peak


def test_the_overlay_wins() -> None:
    # genai-prices still has DeepSeek's prices of early 2025 for this name
    assert cost("deepseek", "deepseek-reasoner", Usage(1967, 910, 0, 0, None, None, 310)) == "0.00093296"  # 0.28 in, 0.42 out
    assert cost("deepseek", "deepseek-reasoner", Usage(1_000_000, 0), "2025-03-01T12:00:00") == "0.55"


@pytest.mark.parametrize(
    ("provider", "served", "asked", "expected"),
    [
        ("azure.ai.openai", "gpt-4o-2024-08-06", "my-deployment", "0.0025"),  # the served model tells what a deployment is
        ("azure.ai.openai", "my-deployment", "my-deployment", "unknown_model"),
        ("openai", "small", "gpt-4o-mini", "0.00015"),  # a gateway's alias as response model: the model asked for
        ("openai", "llama-3.3-70b-versatile", "llama-3.3-70b-versatile", "0.00059"),  # OpenAI's client at Groq
        (None, "openai/gpt-5", "openai/gpt-5", "0.00125"),
        ("acme-gateway", "gpt-5", "gpt-5", "0.00125"),  # a label nobody knows: the maker's price
        ("together_ai", "gpt-5", "gpt-5", "unknown_model"),  # a provider we know does not get another one's price
        ("gcp.vertex_ai", "claude-sonnet-4-5@20250929", "claude-sonnet-4-5@20250929", "0.003"),
        ("gcp.vertex_ai", "gemini-2.5-flash", "gemini-2.5-flash", "0.0003"),
        ("bedrock", "anthropic.claude-haiku-4-5-20251001-v1:0", "x", "0.0011"),
        ("aws.bedrock", "nova-pro-v1:0", "nova-pro-v1:0", "0.0008"),  # an instrumentation that cuts the maker off
        ("openai", "gpt-5-20250807", "gpt-5-20250807", "0.00125"),  # a gateway's compact date
        ("openai", "gpt-99", "gpt-99", "unknown_model"),
        ("openai", "", "", "unknown_model"),
    ],
)
def test_whose_price(provider: str | None, served: str, asked: str, expected: str) -> None:
    assert cost(provider, served, Usage(1000, 0), asked=asked) == expected


def test_nothing_known_is_unpriced_and_a_measured_zero_is_zero() -> None:
    assert cost("openai", "gpt-5", None) == "no_usage"
    assert cost("openai", "gpt-5", Usage()) == "no_usage"
    assert cost("openai", "gpt-5", Usage(0, 0)) == "0"
    assert cost("openai", "gpt-99", Usage(0, 0)) == "unknown_model"
    assert price("openai", "gpt-5", Usage(0, 0)).lines == ()


def test_half_a_usage_is_priced_for_what_it_says() -> None:
    assert cost("openai", "gpt-5", Usage(None, 100)) == "0.001"
    assert cost("anthropic", "claude-sonnet-4-5", Usage(None, None, 1000)) == "0.0003"


@pytest.mark.parametrize(
    ("usage", "reason"),
    [
        (Usage(-1, 5), "count_out_of_range"),
        (Usage(5, 5, -1), "count_out_of_range"),
        (Usage(COUNT_MAX + 1, 0), "count_out_of_range"),
        (Usage(2**63, 2**63), "count_out_of_range"),
        (Usage(5, 5, 6), "parts_exceed_total"),
        (Usage(5, 5, 3, 3), "parts_exceed_total"),
        (Usage(5, 5, 0, 3, 2, 2), "parts_exceed_total"),
        (Usage(5, 5, reasoning_tokens=6), "parts_exceed_total"),
        (Usage(5, 5, extra=(("input_audio_tokens", 6),)), "parts_exceed_total"),
        (Usage(5, 5, extra=(("web_search_requests", -1),)), "count_out_of_range"),
        (Usage(5, 5, extra=(("maps_grounding_requests", 1),)), "no_rate:maps_grounding_requests"),
        (Usage(extra=(("images", 1),)), "no_rate:images"),
    ],
)
def test_what_cannot_be_priced_says_why(usage: Usage, reason: str) -> None:
    assert cost("openai", "gpt-5", usage) == reason


def test_a_unit_nobody_charges_for_does_not_matter_beside_tokens() -> None:
    assert cost("openai", "gpt-5", Usage(1000, 0, extra=(("accepted_prediction_tokens", 3), ("web_fetch_requests", 2)))) == "0.00125"


def test_output_of_a_model_that_has_none_is_not_free() -> None:
    assert cost("openai", "text-embedding-3-small", Usage(1000, 0)) == "0.00002"
    assert cost("openai", "text-embedding-3-small", Usage(1000, 1)) == "no_rate:output_tokens"


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Usages whose parts lie in their totals."""
    plain, read, write_5m, write_1h, write, said, thought = (draw(st.integers(0, 400_000)) for _ in range(7))
    extra = draw(
        st.sampled_from([(), (("output_image_tokens", said // 2),), (("input_audio_tokens", plain // 3), ("web_search_requests", 2))])
    )
    writes = write_5m + write_1h + write
    return Usage(plain + read + writes, said + thought, read, writes, write_5m, write_1h, thought, extra)


counts = st.one_of(st.none(), st.integers(-2, 300_000))


@given(st.tuples(*[counts] * 7).map(lambda said: Usage(*said)), st.sampled_from(MODELS))
def test_the_short_way_says_what_the_long_ways_say(usage: Usage, model: tuple[str, str]) -> None:
    price(*model, usage)
    for resolution in list(CATALOG._resolutions.values())[-3:]:
        plan = resolution.plan(ns(NOON))
        if plan.reason is None:
            short = price_usage(usage, plan.levels)
            assert short == _price_classes(usage, plan.levels)
            if not any(count is not None and count < 0 for count in usage[:7]):
                same = usage._replace(extra=(("information_tokens", 1),))
                assert sorted(short.lines) == sorted(_price_open(same, plan.levels).lines)


@given(usages(), st.sampled_from(MODELS))
def test_lines_sum_to_the_total_and_cover_every_token_once(usage: Usage, model: tuple[str, str]) -> None:
    priced = price(*model, usage)
    if priced.cost_usd is None:
        assert priced.lines == ()
        assert priced.reason is not None
        assert priced.reason.startswith("no_rate:")
        return
    assert sum(line.cost_usd for line in priced.lines) == priced.cost_usd
    assert len({line.unit for line in priced.lines}) == len(priced.lines)
    counted = sum(line.quantity for line in priced.lines if line.unit.endswith("_tokens"))
    assert counted == (usage.input_tokens or 0) + (usage.output_tokens or 0)


@given(
    st.tuples(*[st.none() | st.integers(-(2**63), 2**63)] * 7),
    st.lists(
        st.tuples(st.sampled_from(["input_audio_tokens", "images", "search_units", "nonsense", "nonsense_tokens"]), st.integers(-9, 2**63)),
        max_size=3,
    ),
    st.sampled_from(MODELS),
    st.none() | st.text(max_size=20),
    st.integers(-(2**63), 2**63),
)
def test_hostile_counts_tiers_and_times_never_raise(
    counts: tuple[int | None, ...], extra: list[tuple[str, int]], model: tuple[str, str], tier: str | None, start_ns: int
) -> None:
    usage = Usage(*counts, extra=tuple(sorted(dict(extra).items())))
    priced = CATALOG.price(Call("test", provider=model[0], request_model=model[1], usage=usage, service_tier=tier), start_ns)
    assert (priced.state == "priced") == (priced.cost_usd is not None)
    assert priced.cost_usd is None or priced.cost_usd >= 0


@given(st.text(max_size=300), st.text(max_size=300))
def test_hostile_names_never_raise(provider: str, model: str) -> None:
    CATALOG.price(Call("test", provider=provider, request_model=model, response_model=model, usage=Usage(1, 1)), ns(NOON))


def test_hostile_names_do_not_fill_memory() -> None:
    catalog = Catalog.shipped()
    for number in range(9000):
        catalog.price(Call("test", provider="openai", request_model=f"nonsense-{number}", usage=Usage(1, 1)), 0)
    assert len(catalog._resolutions) <= 8192


def test_rates_for_people() -> None:
    shown = {(rate.unit, rate.context, rate.tier): rate for rate in CATALOG.rates_for("gcp.gemini", "gemini-2.5-pro", ns(NOON))}
    assert shown["input_tokens", "", ""].amount == "1.25"
    assert shown["input_tokens", "", "input > 200,000"].amount == "2.5"
    assert shown["input_tokens", "service_tier=batch", ""].effective_from == "2026-10-14"
    assert shown["input_tokens", "", ""].source == "genai-prices 0.2.3"
    line = price("gcp.gemini", "gemini-2.5-pro", Usage(10, 0)).lines[0]
    assert line.rate_id == shown["input_tokens", "", ""].rate_id


def test_rates_for_a_name_of_the_list() -> None:
    listed = {model.model for model in CATALOG.models("aws.bedrock")}
    assert "regional.anthropic.claude-sonnet-4-5-20250929-v1:0" in listed
    assert CATALOG.rates_for("aws.bedrock", "regional.anthropic.claude-sonnet-4-5-20250929-v1:0")
    assert CATALOG.rates_for(None, "gpt-99") == []
    assert {model.provider for model in CATALOG.models()} > {"openai", "anthropic", "aws.bedrock", "gcp.gemini", "openrouter"}


def test_old_rates_are_not_shown_for_today() -> None:
    amounts = {rate.amount for rate in CATALOG.rates_for("openai", "o3", ns(NOON)) if rate.unit == "input_tokens" and not rate.context}
    assert amounts == {"2"}
    amounts = {rate.amount for rate in CATALOG.rates_for("openai", "o3") if rate.unit == "input_tokens" and not rate.context}
    assert amounts == {"2", "10"}


def test_a_catalog_is_also_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl.gz"
    entry = Entry("acme", "acme-7b", BASE, 0, ["equals", "acme-7b"], "our own", "2026-11-21", (Rate("input_tokens", "0.2", 1_000_000),))
    path.write_bytes(pack(catalog_text([entry]), "mine"))
    catalog = Catalog.from_file(path)
    assert catalog.label == "mine"
    assert catalog.catalog_id != CATALOG.catalog_id
    priced = catalog.price(Call("test", provider="acme", request_model="acme-7b", usage=Usage(10, 0)), 0)
    assert priced.cost_usd == atto_from_text("0.000002")
    assert [(row.unit, identity) for _, row, identity in catalog.rows()] == [("input_tokens", priced.lines[0].rate_id)]
