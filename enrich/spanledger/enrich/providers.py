"""Who served a call: every emitter spells providers its own way, prices and reports need one name.

Names are those of the OpenTelemetry GenAI conventions (`gen_ai.provider.name`) where they have one, else a snake_case word
in their manner. A framework's name ("langchain", "strands-agents") is no provider; then the endpoint or the model tells.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from spanledger.enrich.provider_names import BEDROCK_MAKERS, CATALOG_IDS, HOSTS, MAKERS, NOT_PROVIDERS, SPELLINGS, SPOKEN_BY_OTHERS

_TEXT_MAX: Final = 256
"""Longer labels and models are cut: no provider has such names, and the caches below must stay small."""

_BY_SPELLING: Final = {
    re.sub(r"[^a-z0-9]", "", spelling): name for name, others in SPELLINGS.items() for spelling in (name, *others.split())
}

_BEDROCK_HOST: Final = re.compile(
    r"(?:^|\.)bedrock(?:-runtime|-mantle|-agent-runtime)?(?:-fips)?\.[a-z0-9-]+\.(?:amazonaws\.com(?:\.cn)?|api\.aws)$"
)

_GEO: Final = r"(?:us|eu|apac|global|jp|au|ca|in|sa|us-gov)\."
_BEDROCK_MODEL: Final = re.compile(rf"(?P<geo>{_GEO})?(?P<maker>{BEDROCK_MAKERS})\.(?P<model>[a-z0-9].*)")
_BEDROCK_ARN: Final = re.compile(r"arn:aws[a-z-]*:bedrock:(?P<region>[a-z0-9-]*):[0-9]*:(?P<type>[a-z-]+)/(?P<name>.+)")
_BEDROCK_VERSION: Final = re.compile(r"-v[0-9]+(?::[0-9]+)?(?::[0-9]+k|:mm)?$")
_PUBLISHER: Final = re.compile(r"(?:projects/[^/]+/locations/[^/]+/)?publishers/(?P<publisher>[^/]+)/models/(?P<model>.+)")

_ROUTES: Final = frozenset({"models", "tunedmodels", "chat", "converse", "invoke", "responses", "region", "global", "messages"})
"""Path elements of model names that name neither a provider nor a maker."""


@lru_cache(maxsize=4096)
def _label(text: str) -> tuple[str | None, bool]:
    """(name, known): the canonical name of a provider label, and whether it is one we know; (None, False): no provider."""
    lower = text.strip().lower()
    for candidate in _label_candidates(lower):
        folded = re.sub(r"[^a-z0-9]", "", candidate)
        if not folded or folded in NOT_PROVIDERS:
            return None, False
        if folded in _BY_SPELLING:
            return _BY_SPELLING[folded], True
    return lower, False


def _label_candidates(lower: str) -> list[str]:
    """The label, then its parts: "google.vertex.chat" is google.vertex, "langgenius/openai/openai" is openai."""
    tail = lower.rsplit("/", 1)[-1]
    parts = tail.split(".")
    return [lower, tail, *(".".join(parts[:size]) for size in range(len(parts) - 1, 0, -1))]


def canonical_provider(text: str | None) -> str | None:
    """The OpenTelemetry name of the provider that `text` means; None for a framework, a store, a placeholder or nothing.

    A label nobody knows is kept, lower-cased: `gen_ai.provider.name` is an open enumeration and a company may serve its own models.
    """
    return _label(text[:_TEXT_MAX])[0] if text else None


def known_provider(text: str | None) -> bool:
    """Whether a label is a provider spanledger knows by name."""
    return bool(text) and _label(str(text)[:_TEXT_MAX])[1]


@lru_cache(maxsize=1024)
def provider_of_host(host: str) -> str | None:
    """Who answers at a host name (no scheme, no port needed); None for proxies, private and unknown hosts."""
    name = re.sub(r"^[a-z+]+://", "", host.strip().lower()[:_TEXT_MAX]).split("/", 1)[0].split(":", 1)[0]
    for end, provider in HOSTS:
        if name == end or name.endswith("." + end) or (end == "aiplatform.googleapis.com" and name.endswith("-" + end)):
            return provider
    return "aws.bedrock" if _BEDROCK_HOST.search(name) else None


@lru_cache(maxsize=4096)
def _model(model: str) -> tuple[str, str | None, str | None]:
    """(plain model, provider its form names, Bedrock geography) of a model name as sent, cut to _TEXT_MAX."""
    name = model.strip().lower()
    if arn := _BEDROCK_ARN.fullmatch(name):
        plain, _, geo = _model(arn["name"]) if arn["type"] in ("foundation-model", "inference-profile") else (name, None, None)
        return plain, "aws.bedrock", geo
    if published := _PUBLISHER.fullmatch(name):
        return published["model"].split("@", 1)[0], "gcp.vertex_ai", None
    if bedrock := _BEDROCK_MODEL.fullmatch(name):
        geo = bedrock["geo"].rstrip(".") if bedrock["geo"] else None
        return _BEDROCK_VERSION.sub("", bedrock["model"]), "aws.bedrock", geo
    head, slash, tail = name.partition("/")
    if slash and tail:
        plain, provider, geo = _model(tail)
        if head in _ROUTES or head.startswith("accounts"):
            return plain, provider, geo
        named, known = _label(head)
        return plain, named if known else provider, geo
    return _BEDROCK_VERSION.sub("", name) if ":" in name else name, None, None


def plain_model(model: str) -> str:
    """The bare model name: lower case, without routing ("openai/", "models/", "us.anthropic.", an ARN) and Bedrock version ("-v1:0").

    Dates of snapshots stay: "claude-sonnet-4-5-20250929". An application inference profile's ARN names no model and stays whole.
    """
    return _model(model[:_TEXT_MAX])[0]


def model_geography(model: str) -> str | None:
    """The geography a Bedrock model id routes to ("us", "eu", "global", …), which has its own prices; None where it names none."""
    return _model(model[:_TEXT_MAX])[2]


@lru_cache(maxsize=4096)
def _provider_of_model(model: str) -> str | None:
    plain, named, _ = _model(model)
    if named is not None:
        return named
    return next((provider for provider, pattern in MAKERS if pattern.match(plain)), None)


def provider_of_model(model: str | None) -> str | None:
    """The provider a model name stands for: by its form ("us.anthropic.…-v1:0" is Bedrock, "groq/…" is Groq), else its maker's own API.

    None for open models that many serve ("llama-3.1-8b", "gpt-oss-120b") and unknown names.
    """
    return _provider_of_model(model[:_TEXT_MAX]) if model else None


def infer_provider(provider: str | None, model: str | None, server_address: str | None) -> str | None:
    """The canonical provider of a call from what a span says; None where nothing tells.

    In order: a label we know, unless it is a protocol others speak too (openai, anthropic) and host or model name another provider;
    the host; the model; an unknown label as it is.
    """
    named, known = _label(provider[:_TEXT_MAX]) if provider else (None, False)
    if known and named not in SPOKEN_BY_OTHERS:
        return named
    return (provider_of_host(server_address) if server_address else None) or provider_of_model(model) or named


def catalog_provider(source_label: str) -> str:
    """The canonical provider of a provider id of genai-prices or LiteLLM ("x-ai", "vertex_ai-anthropic_models", "bedrock_converse")."""
    for name, labels in CATALOG_IDS.items():
        if source_label in labels:
            return name
    if source_label.startswith("vertex_ai"):
        return "gcp.vertex_ai"
    return source_label.lower().replace("-", "_").replace(" ", "_")
