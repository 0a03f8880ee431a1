"""One provider name for every spelling seen in the wild, and none for what is no provider."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.enrich.providers import (
    canonical_provider,
    catalog_provider,
    infer_provider,
    known_provider,
    model_geography,
    plain_model,
    provider_of_host,
    provider_of_model,
)

OTEL_NAMES = [
    "openai",
    "gcp.gen_ai",
    "gcp.vertex_ai",
    "gcp.gemini",
    "anthropic",
    "cohere",
    "azure.ai.inference",
    "azure.ai.openai",
    "ibm.watsonx.ai",
    "aws.bedrock",
    "perplexity",
    "x_ai",
    "deepseek",
    "groq",
    "mistral_ai",
    "moonshot_ai",
]


@pytest.mark.parametrize("name", OTEL_NAMES)
def test_names_of_the_conventions_stay(name: str) -> None:
    assert canonical_provider(name) == name
    assert known_provider(name)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("OpenAI", "openai"),
        ("openai.chat", "openai"),
        ("openai.responses", "openai"),
        ("openai.embedding", "openai"),
        ("openai.chat.v9", "openai"),
        ("anthropic.messages", "anthropic"),
        ("Anthropic", "anthropic"),
        ("google.generative-ai", "gcp.gemini"),
        ("google-genai", "gcp.gemini"),
        ("google", "gcp.gemini"),
        ("gemini", "gcp.gemini"),
        ("google.vertex.chat", "gcp.vertex_ai"),
        ("vertex.anthropic.messages", "gcp.vertex_ai"),
        ("vertex_ai", "gcp.vertex_ai"),
        ("az.ai.openai", "azure.ai.openai"),
        ("az.ai.inference", "azure.ai.inference"),
        ("azure", "azure.ai.openai"),
        ("azure_openai", "azure.ai.openai"),
        ("azure-openai.responses", "azure.ai.openai"),
        ("aws", "aws.bedrock"),
        ("bedrock", "aws.bedrock"),
        ("amazon-bedrock", "aws.bedrock"),
        ("Cohere", "cohere"),
        ("xai", "x_ai"),
        ("x-ai", "x_ai"),
        ("xai.chat", "x_ai"),
        ("mistral", "mistral_ai"),
        ("mistral.chat", "mistral_ai"),
        ("groq.chat", "groq"),
        ("watsonx", "ibm.watsonx.ai"),
        ("ChatOpenAI", "openai"),
        ("langgenius/openai/openai", "openai"),
        ("together.ai", "together_ai"),
        ("fireworks", "fireworks_ai"),
        (" deepseek ", "deepseek"),
    ],
)
def test_spellings(label: str, name: str) -> None:
    assert canonical_provider(label) == name


@pytest.mark.parametrize(
    "label",
    [
        None,
        "",
        " ",
        "strands-agents",
        "microsoft.agent_framework",
        "langchain",
        "langgraph",
        "crewai",
        "autogen",
        "InMemoryVectorStore",
        "litellm",
        "unknown",
    ],
)
def test_no_provider(label: str | None) -> None:
    assert canonical_provider(label) is None
    assert not known_provider(label)


def test_an_unknown_label_is_kept_but_known_to_be_unknown() -> None:
    assert canonical_provider("Acme-LLM") == "acme-llm"
    assert not known_provider("Acme-LLM")


@pytest.mark.parametrize(
    ("model", "plain", "provider"),
    [
        ("gpt-5", "gpt-5", "openai"),
        ("openai/gpt-5", "gpt-5", "openai"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini-2024-07-18", "openai"),
        ("o4-mini", "o4-mini", "openai"),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc", "ft:gpt-4o-mini-2024-07-18:acme::abc", "openai"),
        ("anthropic/claude-sonnet-4-5", "claude-sonnet-4-5", "anthropic"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929", "aws.bedrock"),
        ("amazon.nova-pro-v1:0", "nova-pro", "aws.bedrock"),
        ("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929", "aws.bedrock"),
        (
            "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0",
            "claude-haiku-4-5-20251001",
            "aws.bedrock",
        ),
        ("models/gemini-2.5-flash", "gemini-2.5-flash", "gcp.gemini"),
        ("googleai/gemini-2.5-flash", "gemini-2.5-flash", "gcp.gemini"),
        ("vertex_ai/gemini-2.5-pro", "gemini-2.5-pro", "gcp.vertex_ai"),
        ("publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro", "gcp.vertex_ai"),
        ("openrouter/anthropic/claude-sonnet-4-5", "claude-sonnet-4-5", "openrouter"),
        ("groq/llama-3.1-8b-instant", "llama-3.1-8b-instant", "groq"),
        ("llama-3.3-70b-versatile", "llama-3.3-70b-versatile", "groq"),
        ("grok-4", "grok-4", "x_ai"),
        ("deepseek-reasoner", "deepseek-reasoner", "deepseek"),
        ("mistral-large-latest", "mistral-large-latest", "mistral_ai"),
        ("command-r-plus", "command-r-plus", "cohere"),
        ("rerank-v3.5", "rerank-v3.5", "cohere"),
        ("rerank-2.5", "rerank-2.5", "voyage_ai"),
        ("openai/gpt-oss-120b", "gpt-oss-120b", "openai"),
        ("gpt-oss-120b", "gpt-oss-120b", None),
        ("my-gpt4o-deployment", "my-gpt4o-deployment", None),
        ("nova-pro-v1:0", "nova-pro", "aws.bedrock"),
        ("big", "big", None),
    ],
)
def test_models(model: str, plain: str, provider: str | None) -> None:
    assert plain_model(model) == plain
    assert provider_of_model(model) == provider


def test_an_application_profile_names_no_model() -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123def456"
    assert (plain_model(arn), provider_of_model(arn), model_geography(arn)) == (arn, "aws.bedrock", None)


def test_bedrock_geography() -> None:
    assert model_geography("eu.anthropic.claude-sonnet-4-5-20250929-v1:0") == "eu"
    assert model_geography("arn:aws:bedrock:us-east-1:1:inference-profile/global.anthropic.claude-sonnet-4-5-20250929-v1:0") == "global"
    assert model_geography("anthropic.claude-sonnet-4-5-20250929-v1:0") is None


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("api.openai.com", "openai"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("api.x.ai:443", "x_ai"),
        ("acme.openai.azure.com", "azure.ai.openai"),
        ("bedrock-runtime.us-east-1.amazonaws.com", "aws.bedrock"),
        ("us-central1-aiplatform.googleapis.com", "gcp.vertex_ai"),
        ("generativelanguage.googleapis.com", "gcp.gemini"),
        ("127.0.0.1", None),
        ("gateway.acme.internal", None),
        ("notapi.openai.com.evil.test", None),
    ],
)
def test_hosts(host: str, name: str | None) -> None:
    assert provider_of_host(host) == name


@pytest.mark.parametrize(
    ("label", "model", "host", "name"),
    [
        ("openai", "gpt-4o", "127.0.0.1", "openai"),
        ("openai", "llama-3.3-70b-versatile", "127.0.0.1", "groq"),  # OpenAI's client at Groq's endpoint
        ("openai", "openai/gpt-oss-120b", "api.groq.com", "groq"),
        ("openai", "grok-4", None, "x_ai"),
        ("openai", "my-gpt4o-deployment", "acme.openai.azure.com", "azure.ai.openai"),
        ("openai", "my-gpt4o-deployment", None, "openai"),
        ("anthropic", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", None, "aws.bedrock"),  # AnthropicBedrock client
        ("azure.ai.openai", "gpt-4o", "api.openai.com", "azure.ai.openai"),  # a label that is no mere protocol stands
        ("strands-agents", "claude-sonnet-4-5", None, "anthropic"),
        ("microsoft.agent_framework", "gpt-5", None, "openai"),
        ("acme-llm", "acme-7b", None, "acme-llm"),
        ("acme-llm", "gpt-5", None, "openai"),
        (None, "text-embedding-3-small", None, "openai"),
        (None, None, "api.mistral.ai", "mistral_ai"),
        (None, None, None, None),
    ],
)
def test_infer(label: str | None, model: str | None, host: str | None, name: str | None) -> None:
    assert infer_provider(label, model, host) == name


@given(st.text(), st.text(), st.text())
def test_never_raises(label: str, model: str, host: str) -> None:
    infer_provider(label, model, host)
    plain_model(model)
    model_geography(model)


@given(st.text(alphabet="abc./:-0", max_size=400))
def test_plain_model_is_a_fixed_point_for_plain_names(model: str) -> None:
    plain = plain_model(model)
    assert len(plain) <= 256


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("x-ai", "x_ai"),
        ("xai", "x_ai"),
        ("aws", "aws.bedrock"),
        ("bedrock_converse", "aws.bedrock"),
        ("vertex_ai-anthropic_models", "gcp.vertex_ai"),
        ("google", "gcp.gemini"),
        ("azure", "azure.ai.openai"),
        ("azure_ai", "azure.ai.inference"),
        ("openrouter", "openrouter"),
    ],
)
def test_labels_of_the_catalog_inputs(label: str, name: str) -> None:
    assert catalog_provider(label) == name
