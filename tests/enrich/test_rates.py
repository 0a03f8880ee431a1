"""Which entries of a price list a call's names mean."""

import pytest

from spanledger.enrich.catalog.load import CatalogFile
from spanledger.enrich.catalog.rows import BASE, Entry, Rate, catalog_text
from spanledger.enrich.rates import find_entries, lookup_names, service_tier

M = 1_000_000


def entry(*rates: Rate, rank: int = BASE, provider: str = "openai", model: str = "gpt-x") -> Entry:
    return Entry(provider, model, rank, 0, ["equals", model], f"source {rank}", "", rates)


def test_lookup_names() -> None:
    assert lookup_names("openai", "openai/GPT-5") == ["openai/gpt-5", "gpt-5"]
    assert lookup_names("openai", "ft:gpt-4o-mini-2024-07-18:acme::x")[-1] == "ft:gpt-4o-mini-2024-07-18"
    assert "gpt-5.2-2025-12-11" in lookup_names("openai", "gpt-5.2-20251211")
    assert "claude-x-20250929" in lookup_names("gcp.vertex_ai", "claude-x@20250929")
    assert "anthropic.claude-x-v1:0" in lookup_names("aws.bedrock", "claude-x-v1:0")
    assert "eu.anthropic.claude-x-v1:0" in lookup_names(
        "aws.bedrock", "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-x-v1:0"
    )
    assert not any(name.startswith("amazon.") for name in lookup_names("aws.bedrock", "us.anthropic.claude-x-v1:0"))


@pytest.mark.parametrize(
    ("text", "tier"),
    [("Default", ""), ("ON_DEMAND_FLEX", "flex"), ("batches", "batch"), ("Priority", "priority"), (" flex ", "flex"), (None, "")],
)
def test_service_tier(text: str | None, tier: str) -> None:
    assert service_tier(text) == tier


def test_sellers_inherit_and_others_do_not() -> None:
    file = CatalogFile(
        catalog_text([entry(Rate("input_tokens", "1", M)), entry(Rate("input_tokens", "2", M), provider="groq", model="llama-x")]), ""
    )
    assert find_entries(file, "azure.ai.openai", ("gpt-x",))
    assert find_entries(file, "azure", ("gpt-x",))
    assert not find_entries(file, "aws.bedrock", ("gpt-x",))
    assert not find_entries(file, "groq", ("gpt-x",))
    assert not find_entries(file, "openai", ("llama-x",))  # many serve it: nobody's price is guessed
    assert find_entries(file, "openai", ("groq/llama-x",))
    assert find_entries(file, None, ("openai/gpt-x",))
    assert find_entries(file, "openai", (None, "gpt-x"))
    assert not find_entries(file, "openai", (None, None))
