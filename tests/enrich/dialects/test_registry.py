"""Which dialect reads which scope."""

from __future__ import annotations

import pytest

from spanledger.enrich.dialects.by_keys import REWRITTEN
from spanledger.enrich.dialects.dialect import all_refs
from spanledger.enrich.dialects.registry import SHIPPED, candidates, scope_matches
from spanledger.enrich.kinds import KINDS


@pytest.mark.parametrize(
    ("scope", "version", "name"),
    [
        ("opentelemetry.instrumentation.genai.openai", "1.3b0", "otel-genai"),
        ("opentelemetry.instrumentation.genai.bedrock", "1.3b0", "otel-genai-bedrock"),
        ("opentelemetry.instrumentation.google_genai", "0.3b0", "otel-google-old"),
        ("opentelemetry.instrumentation.google_genai", "1.3b0", "otel-genai"),
        ("opentelemetry.instrumentation.vertexai", "2.1b0", "otel-vertexai"),
        ("opentelemetry.instrumentation.vertexai", "0.40.1", "openllmetry-vertexai"),
        ("opentelemetry.instrumentation.openai.v1", "0.62.4", "openllmetry"),
        ("opentelemetry.instrumentation.openai_v2", "2.4b0", "otel-openai-v2"),
        ("@traceloop/instrumentation-anthropic", "0.27.0", "traceloop-js-anthropic"),
        ("com.anthropic.sdk.python.bedrock", "2.11.0", "anthropic-sdk"),
        ("openlit.instrumentation.mistral", "", "openlit"),
        ("logfire.openai", "5.2.0", "logfire"),
        ("litellm", "", "litellm"),
        ("gcp.vertex.agent", "2.13.0", "google-adk"),
    ],
)
def test_the_first_candidate_by_scope_and_version(scope: str, version: str, name: str) -> None:
    found = [dialect.name for dialect in candidates(SHIPPED, scope, version)]
    rewritten = [dialect.name for dialect in REWRITTEN]
    assert next(each for each in found if each not in rewritten) == name
    assert not set(found[1:]) & set(rewritten)  # asked first or not at all


def test_every_scope_ends_with_the_generic_dialect() -> None:
    assert candidates(SHIPPED, "nobody.knows", "")[-1].name == "generic"


def test_patterns() -> None:
    assert scope_matches("a.*", "a.b")
    assert not scope_matches("a.*", "ab")
    assert scope_matches("a", "a")
    assert not scope_matches("a", "a.b")


def test_names_are_unique_and_tables_are_sound() -> None:
    names = [dialect.name for dialect in SHIPPED]
    assert len(set(names)) == len(names)
    for dialect in SHIPPED:
        assert dialect.usage_kind in KINDS
        assert all(ref.strip() == ref and ref for ref in all_refs(dialect))
        for rule in dialect.kinds:
            verdicts = {*rule.values.values(), *rule.prefixes.values(), *filter(None, [rule.other])}
            assert all(verdict.partition(":")[0] in KINDS for verdict in verdicts), (dialect.name, rule.ref)
        for shape in dialect.shapes:
            assert not set(shape.inside) & set(shape.outside), (dialect.name, shape.name)
