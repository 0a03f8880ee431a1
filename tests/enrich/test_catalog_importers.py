"""Reading other projects' price data: float noise, zeros, tiers, windows and dates come out as they are meant."""

import json
from datetime import date, time
from decimal import Decimal
from types import SimpleNamespace as Thing

import pytest

from spanledger.enrich.catalog.importers import genai, litellm, overlay
from spanledger.enrich.catalog.importers.amounts import clean
from spanledger.enrich.catalog.rows import OVERLAY, Rate

M = 1_000_000
UNITS = {
    "input_tokens": {"price_key": "input_mtok", "per": M},
    "output_tokens": {"price_key": "output_mtok", "per": M},
    "cache_audio_read_tokens": {"price_key": "cache_audio_read_mtok", "per": M},
    "audio_seconds": {"price_key": "audio_hours", "per": 3600},
    "web_searches": {"price_key": "web_searches_kcount", "per": 1000},
}


@pytest.mark.parametrize(
    ("amount", "text", "changed"),
    [
        ("0.18000000000000002", "0.18", True),
        ("2.99999990", "2.9999999", False),
        ("10", "10", False),
        ("1E+1", "10", False),
        ("0.0833333333333333", "0.083333333", True),
    ],
)
def test_clean(amount: str, text: str, changed: bool) -> None:
    assert clean(Decimal(amount)) == (text, changed)


def prices(**values: object) -> Thing:
    return Thing(**{key: Decimal(value) if isinstance(value, str) else value for key, value in values.items()})


def genai_rates(model_prices: object, variants: object = None, name: str = "m") -> tuple[list[Rate], list[str]]:
    log: list[str] = []
    model = Thing(id=name, match=Thing(equals="M"), prices=model_prices, price_variants=variants)
    found = genai.entries([Thing(id="x-ai", models=[model])], UNITS, "genai", log)
    return (list(found[0].rates) if found else []), log


def test_genai_units_and_float_noise() -> None:
    rates, log = genai_rates(
        prices(
            input_mtok="0.18000000000000002", audio_hours="0.111", cache_audio_read_mtok="0.4", web_searches_kcount="10", output_mtok=None
        )
    )
    assert set(rates) == {
        Rate("input_tokens", "0.18", M),
        Rate("audio_ms", "0.111", 3_600_000),
        Rate("cache_read_audio_tokens", "0.4", M),
        Rate("web_search_requests", "10", 1000),
    }
    assert log == ["float noise: x_ai m input_tokens 0.18000000000000002 -> 0.18"]


def test_genai_tiers_have_their_operator() -> None:
    tiered = Thing(base=Decimal(1), tiers=[Thing(start=200_000, price=Decimal(2)), Thing(start=399_999, price=Decimal(3))])
    rates, _ = genai_rates(prices(input_mtok=tiered))
    assert [(rate.amount, rate.op, rate.threshold) for rate in rates] == [("1", "", 0), ("2", ">", 200_000), ("3", ">=", 400_000)]


def test_genai_dates_end_where_the_next_begin() -> None:
    history = [
        Thing(constraint=None, prices=prices(input_mtok="3")),
        Thing(constraint=Thing(start_date=date(2026, 3, 1)), prices=prices(input_mtok="2")),
        Thing(constraint=Thing(start_date=date(2026, 9, 1)), prices=prices(input_mtok="1")),
        Thing(constraint=Thing(start_time=time(1), end_time=time(4)), prices=prices(input_mtok="2")),
    ]
    rates, _ = genai_rates(history)
    assert sorted((rate.effective_from, rate.effective_to, rate.amount, rate.window, rate.effective_kind) for rate in rates) == [
        ("", "2026-03-01", "3", "", "published"),
        ("2026-03-01", "2026-09-01", "2", "", "published"),
        ("2026-09-01", "", "1", "", "published"),
        ("2026-09-01", "", "2", "01:00-04:00", "published"),
    ]


def test_genai_variants_are_contexts_and_their_dates_are_observations() -> None:
    variants = [Thing(when={"processing": "batch"}, constraint=Thing(start_date=date(2026, 10, 14)), prices=prices(input_mtok="1"))]
    rates, _ = genai_rates(prices(input_mtok="2"), variants)
    assert Rate("input_tokens", "1", M, (("service_tier", "batch"),), 0, "", "", "2026-10-14", "", "observed") in rates


def test_genai_models_without_a_price_are_left_out_unless_named_free() -> None:
    assert genai_rates(prices()) == ([], ["no price: x_ai m"])
    free, _ = genai_rates(prices(), name="m:free")
    assert [(rate.unit, rate.amount) for rate in free] == [("input_tokens", "0"), ("output_tokens", "0")]


def test_genai_clauses() -> None:
    clause = Thing(or_=[Thing(starts_with="A"), Thing(and_=[Thing(contains="b"), Thing(regex="^C")]), Thing(ends_with="d")])
    assert genai.match_of(clause) == ["any", [["prefix", "a"], ["all", [["contains", "b"], ["regex", "^C"]]], ["suffix", "d"]]]
    with pytest.raises(ValueError, match="unknown clause"):
        genai.match_of(Thing(fuzzy="x"))


def lite(key: str, **values: object) -> list[litellm.Cells]:
    text = json.dumps({key: {"litellm_provider": "openai", "mode": "chat", **values}})
    return litellm.read(text, [])


def test_litellm_keys() -> None:
    (found,) = lite(
        "gpt-x",
        input_cost_per_token=2.9999900000000002e-06,
        output_cost_per_token_batches=5e-06,
        cache_read_input_token_cost_above_272k_tokens_priority=1e-06,
        cache_creation_input_token_cost_above_1hr=6e-06,
        cache_creation_input_token_cost_above_12hr_above_272k_tokens=5e-05,
        output_cost_per_image=0.04,
        search_context_cost_per_query={"search_context_size_low": 0.01, "search_context_size_high": 0.01},
        max_tokens=5,
        source="https://example.com",
    )
    assert set(found.rates) == {
        Rate("input_tokens", "2.99999", M),
        Rate("output_tokens", "5", M, (("service_tier", "batch"),)),
        Rate("cache_read_tokens", "1", M, (("service_tier", "priority"),), 272_000, ">"),
        Rate("cache_write_1h_tokens", "6", M),
        Rate("cache_write_12h_tokens", "50", M, (), 272_000, ">"),
        Rate("images", "0.04", 1),
        Rate("web_search_requests", "10", 1000),
    }
    assert (found.provider, found.model, found.region, found.source) == ("openai", "gpt-x", "", "https://example.com")


def test_litellm_zero_is_no_price() -> None:
    assert lite("gpt-x", input_cost_per_token=0.0, output_cost_per_token=0) == []
    (found,) = lite("embed-x", input_cost_per_token=1e-7, output_cost_per_token=0.0)
    assert [rate.unit for rate in found.rates] == ["input_tokens"]


def test_litellm_tiered_pricing_and_windows() -> None:
    (found,) = lite(
        "m",
        tiered_pricing=[{"input_cost_per_token": 1e-6, "range": [0, 256000.0]}, {"input_cost_per_token": 2e-6, "range": [256000.0, 1e6]}],
        off_peak_pricing={
            "input_cost_per_token": 5e-7,
            "windows": [{"hours_utc": ["10:00-00:00"], "weekdays": [1, 2, 3, 4, 5]}, {"hours_utc": "00:00-00:00", "weekdays": [6, 7]}],
        },
    )
    assert set(found.rates) == {
        Rate("input_tokens", "1", M),
        Rate("input_tokens", "2", M, (), 256_000, ">"),
        Rate("input_tokens", "0.5", M, window="10:00-00:00 1-5"),
        Rate("input_tokens", "0.5", M, window="00:00-00:00 6-7"),
    }
    with pytest.raises(ValueError, match="gaps"):
        list(litellm.windows([{"hours_utc": "10:00-00:00", "weekdays": [1, 3]}]))


@pytest.mark.parametrize(
    ("key", "label", "provider", "model", "region"),
    [
        ("azure/eu/GPT-x", "azure", "azure.ai.openai", "gpt-x", "eu"),
        ("azure/global/gpt-x", "azure", "azure.ai.openai", "gpt-x", ""),
        ("azure/us-gov/gpt-x", "azure", "azure.ai.openai", "gpt-x", "us-gov"),
        ("bedrock/us-gov-west-1/anthropic.claude-x", "bedrock", "aws.bedrock", "anthropic.claude-x", "us-gov-west-1"),
        ("us.anthropic.claude-x", "bedrock_converse", "aws.bedrock", "us.anthropic.claude-x", ""),
        ("vertex_ai/claude-x@2025", "vertex_ai-anthropic_models", "gcp.vertex_ai", "claude-x@2025", ""),
        ("gemini/gemini-x", "gemini", "gcp.gemini", "gemini-x", ""),
        ("together_ai/meta-llama/Llama-X", "together_ai", "together_ai", "meta-llama/llama-x", ""),
        ("rerank-x", "cohere", "cohere", "rerank-x", ""),
    ],
)
def test_litellm_names(key: str, label: str, provider: str, model: str, region: str) -> None:
    (found,) = lite(key, litellm_provider=label, input_cost_per_token=1e-6)
    assert (found.provider, found.model, found.region) == (provider, model, region)


def test_litellm_leaves_out_what_it_cannot_model() -> None:
    log: list[str] = []
    text = json.dumps(
        {
            key: {"litellm_provider": "bedrock", "input_cost_per_token": 1}
            for key in ("sample_spec", "bedrock/*/x", "1024-x-1024/m", "a/1-month-commitment/b")
        }
    )
    assert litellm.read(text, log) == []
    assert len(log) == 4


def test_litellm_xai_tiers_begin_at_the_threshold() -> None:
    (found,) = lite("xai/grok-x", litellm_provider="xai", input_cost_per_token_above_200k_tokens=1e-6)
    assert [(rate.op, rate.threshold) for rate in found.rates] == [(">=", 200_000)]


OVERLAY_TEXT = """
[[entry]]
provider = "openai"
models = ["GPT-x"]
source = "https://example.com"
verified_on = 2026-11-21
rates = [{ unit = "input_tokens", amount = "1.5", per = 1000000, from = "2026-01-01", context = { region = "eu" } }]
"""


def test_overlay() -> None:
    (entry,) = overlay.read(OVERLAY_TEXT)
    assert (entry.provider, entry.model, entry.rank, entry.match) == ("openai", "gpt-x", OVERLAY, ["any", [["equals", "gpt-x"]]])
    assert (entry.source, entry.verified_on) == ("https://example.com", "2026-11-21")
    assert entry.rates == (Rate("input_tokens", "1.5", M, (("region", "eu"),), effective_from="2026-01-01", effective_kind="published"),)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('source = "https://example.com"', ""),
        ("verified_on = 2026-11-21", ""),
        ("models", "model"),
        ('"1.5"', '"cheap"'),
        ("context", "when"),
        ("per = 1000000", "per = 1000000, threshold = 5"),
    ],
)
def test_overlay_mistakes_are_errors(old: str, new: str) -> None:
    with pytest.raises(ValueError, match=r"^entry 1"):
        overlay.read(OVERLAY_TEXT.replace(old, new))
