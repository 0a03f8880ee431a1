"""LiteLLM fills what the base lacks, only where the two agree, and never reaches further back than the base's present prices."""

from spanledger.enrich.catalog.importers.litellm import Cells
from spanledger.enrich.catalog.merge import merge
from spanledger.enrich.catalog.rows import BASE, FILL, Entry, Rate

BATCH = (("service_tier", "batch"),)
M = 1_000_000


def base(*rates: Rate, provider: str = "openai", model: str = "gpt-x") -> Entry:
    return Entry(provider, model, BASE, 0, ["prefix", model], "base", "", rates)


def cells(*rates: Rate, provider: str = "openai", model: str = "gpt-x", region: str = "") -> Cells:
    return Cells(provider, model, region, "https://example.com/pricing", rates)


def merged(entries: list[Entry], *found: Cells) -> tuple[list[Entry], list[str]]:
    log: list[str] = []
    return merge(entries, found, "lite", "2026-11-21", log), log


def test_a_missing_tier_is_filled() -> None:
    entry = base(Rate("input_tokens", "1", M))
    result, log = merged([entry], cells(Rate("input_tokens", "1", M), Rate("input_tokens", "0.5", M, BATCH)))
    assert result == [entry, Entry("openai", "gpt-x", FILL, 0, [], "lite", "", (Rate("input_tokens", "0.5", M, BATCH),))]
    assert log == []


def test_who_disagrees_on_a_standard_price_fills_nothing() -> None:
    entry = base(Rate("input_tokens", "1", M))
    result, log = merged([entry], cells(Rate("input_tokens", "2", M), Rate("input_tokens", "0.5", M, BATCH)))
    assert result == [entry]
    assert log == ["conflict: openai gpt-x with litellm gpt-x: input_tokens 1 against 2"]


def test_names_that_disagree_fill_nothing() -> None:
    entry = base(Rate("input_tokens", "1", M))
    _, log = merged(
        [entry],
        cells(Rate("input_tokens", "0.5", M, BATCH), model="gpt-x-a"),
        cells(Rate("input_tokens", "0.4", M, BATCH), model="gpt-x-b"),
    )
    assert len(log) == 1
    assert "['0.4', '0.5']" in log[0]


def test_a_fill_starts_with_the_present_price_and_tier_of_the_base() -> None:
    entry = base(
        Rate("input_tokens", "9", M, effective_to="2026-05-01", effective_kind="published"),
        Rate("input_tokens", "1", M, effective_from="2026-05-01", effective_kind="published"),
        Rate("input_tokens", "0.5", M, BATCH, effective_from="2026-10-14", effective_kind="observed"),
    )
    result, _ = merged([entry], cells(Rate("cache_read_tokens", "0.1", M), Rate("cache_read_tokens", "0.05", M, BATCH)))
    assert [(rate.amount, rate.effective_from, rate.effective_kind) for rate in result[1].rates] == [
        ("0.05", "2026-10-14", "observed"),
        ("0.1", "2026-05-01", "observed"),
    ]


def test_reasoning_at_the_price_of_output_is_no_rate_of_its_own() -> None:
    result, _ = merged([base(Rate("output_tokens", "8", M))], cells(Rate("reasoning_tokens", "8", M)))
    assert len(result) == 1


def test_a_model_only_litellm_has_is_an_entry_of_its_own() -> None:
    result, _ = merged([], cells(Rate("search_units", "0.002", 1), provider="cohere", model="rerank-x"))
    assert result == [
        Entry(
            "cohere",
            "rerank-x",
            FILL,
            0,
            ["equals", "rerank-x"],
            "lite https://example.com/pricing",
            "",
            (Rate("search_units", "0.002", 1),),
        )
    ]


def test_a_region_is_a_context() -> None:
    result, _ = merged([base(Rate("input_tokens", "1", M))], cells(Rate("input_tokens", "1.1", M), region="eu"))
    assert result[1].rates == (Rate("input_tokens", "1.1", M, (("region", "eu"),)),)


def test_vertex_inherits_gemini_unless_its_price_differs() -> None:
    gemini = base(Rate("input_tokens", "1", M), provider="gcp.gemini", model="gemini-x")
    same, _ = merged([gemini], cells(Rate("input_tokens", "1", M), provider="gcp.vertex_ai", model="gemini-x"))
    assert same == [gemini]
    other, _ = merged([gemini], cells(Rate("input_tokens", "2", M), provider="gcp.vertex_ai", model="gemini-x"))
    assert [(entry.provider, entry.rates[0].amount) for entry in other] == [("gcp.gemini", "1"), ("gcp.vertex_ai", "2")]


def test_a_bedrock_profile_with_its_own_price_goes_before_the_wide_base_entry() -> None:
    nova = Entry("aws.bedrock", "amazon.nova-x", BASE, 5, ["contains", "amazon.nova-x"], "base", "", (Rate("input_tokens", "1", M),))
    result, _ = merged([nova], cells(Rate("input_tokens", "1.3", M), provider="aws.bedrock", model="eu.amazon.nova-x-v1:0"))
    assert [(entry.model, entry.rank, entry.order) for entry in result] == [("amazon.nova-x", BASE, 5), ("eu.amazon.nova-x-v1:0", BASE, -1)]
