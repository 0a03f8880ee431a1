"""What FOCUS wants called by its name: who sells, who hosts and who made a model, and how quantities are named.

Sources: the providers' own names of their products; FOCUS 1.2, columns ProviderName, PublisherName, ServiceName, ConsumedUnit, SkuMeter.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Seller(NamedTuple):
    """Who invoices, where it runs, and what the service is called."""

    name: str
    host: str
    service: str


SELLERS: Final = {
    "openai": Seller("OpenAI", "OpenAI", "OpenAI API"),
    "anthropic": Seller("Anthropic", "Anthropic", "Claude API"),
    "aws.bedrock": Seller("AWS", "AWS", "Amazon Bedrock"),
    "agentcore": Seller("AWS", "AWS", "Amazon Bedrock AgentCore"),
    "aws_polly": Seller("AWS", "AWS", "Amazon Polly"),
    "azure.ai.openai": Seller("Microsoft", "Microsoft", "Azure OpenAI"),
    "azure.ai.inference": Seller("Microsoft", "Microsoft", "Azure AI Foundry"),
    "gcp.gemini": Seller("Google", "Google Cloud", "Gemini API"),
    "gcp.vertex_ai": Seller("Google Cloud", "Google Cloud", "Vertex AI"),
    "cohere": Seller("Cohere", "Cohere", "Cohere API"),
    "mistral_ai": Seller("Mistral AI", "Mistral AI", "La Plateforme"),
    "deepseek": Seller("DeepSeek", "DeepSeek", "DeepSeek API"),
    "groq": Seller("Groq", "Groq", "GroqCloud"),
    "x_ai": Seller("xAI", "xAI", "xAI API"),
    "perplexity": Seller("Perplexity", "Perplexity", "Perplexity API"),
    "openrouter": Seller("OpenRouter", "OpenRouter", "OpenRouter"),
    "together_ai": Seller("Together AI", "Together AI", "Together AI"),
    "fireworks_ai": Seller("Fireworks AI", "Fireworks AI", "Fireworks AI"),
    "voyage_ai": Seller("Voyage AI", "Voyage AI", "Voyage AI API"),
    "ibm.watsonx.ai": Seller("IBM", "IBM", "watsonx.ai"),
    "moonshot_ai": Seller("Moonshot AI", "Moonshot AI", "Kimi API"),
}
"""By OpenTelemetry's provider name; another one is its own name."""

_MAKERS: Final = (
    ("claude", "Anthropic"), ("gpt-oss", "OpenAI"), ("gpt", "OpenAI"), ("chatgpt", "OpenAI"), ("text-embedding-", "OpenAI"),
    ("o1", "OpenAI"), ("o3", "OpenAI"), ("o4", "OpenAI"), ("whisper", "OpenAI"), ("dall-e", "OpenAI"), ("gemini", "Google"),
    ("gemma", "Google"), ("imagen", "Google"), ("llama", "Meta"), ("mistral", "Mistral AI"), ("mixtral", "Mistral AI"),
    ("ministral", "Mistral AI"), ("codestral", "Mistral AI"), ("command", "Cohere"), ("rerank", "Cohere"), ("embed-", "Cohere"),
    ("deepseek", "DeepSeek"), ("grok", "xAI"), ("qwen", "Alibaba"), ("nova", "Amazon"), ("titan", "Amazon"), ("sonar", "Perplexity"),
    ("kimi", "Moonshot AI"), ("glm", "Z.ai"), ("voyage", "Voyage AI"), ("phi", "Microsoft"), ("granite", "IBM"), ("jamba", "AI21"),
)  # fmt: skip
"""How names of models begin, after the names of hosts and regions before the last "/" and ".": whose they are."""


def seller(provider: str | None) -> Seller:
    """Who sells what a provider's calls are."""
    if provider is None:
        return Seller("Unknown", "Unknown", "Unknown")
    shown = provider.replace("_", " ")
    return SELLERS.get(provider, Seller(shown, shown, shown))


def maker(provider: str | None, model: str | None) -> str:
    """Who made a model, by its name; else the seller."""
    last = (model or "").lower().rsplit("/", 1)[-1]
    for spelled in (last, *last.split(".")):
        for begins, name in _MAKERS:
            if spelled.startswith(begins):
                return name
    return seller(provider).name


_METERS: Final = {
    "input_tokens": "Input Tokens",
    "output_tokens": "Output Tokens",
    "cache_read_tokens": "Cached Input Tokens",
    "cache_write_tokens": "Cache Write Tokens",
    "web_search_requests": "Web Searches",
    "requests": "Requests",
}


def meter(unit: str) -> str:
    """A unit as a meter is called, without words of scale: "Cache Write 1h Tokens"."""
    return _METERS.get(unit) or " ".join(
        word if any(letter.isdigit() for letter in word) else word.capitalize() for word in _plain(unit).split("_")
    )


def measured_in(unit: str) -> tuple[str, int]:
    """What a unit counts, in the plural, and how many of ours make one of it: tokens, requests, seconds (of 1,000 ms) …"""
    if unit.endswith("_ms"):
        return "Seconds", 1000
    if unit.endswith("_tokens"):
        return "Tokens", 1
    return _plain(unit).rsplit("_", 1)[-1].capitalize(), 1


def _plain(unit: str) -> str:
    return unit.removesuffix("_ms") + "_seconds" if unit.endswith("_ms") else unit
