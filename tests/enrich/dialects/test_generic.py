"""Emitters nobody described."""

from __future__ import annotations

from spanledger.enrich.records import Usage
from tests.enrich.dialects.emitted import call_of, read_span, usage_of

CLAUDE = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.usage.output_tokens": 847,
    "gen_ai.usage.cache_read.input_tokens": 4000,
}


def test_the_convention_holds_and_is_said_to_be_assumed() -> None:
    call = call_of(read_span("my.app", {**CLAUDE, "gen_ai.usage.input_tokens": 7594}))
    assert (call.dialect, call.usage, call.flags) == ("generic", Usage(7594, 847, 4000), ("cache_basis_assumed",))


def test_an_input_smaller_than_its_cache_excludes_it() -> None:
    call = call_of(read_span("my.app", {**CLAUDE, "gen_ai.usage.input_tokens": 194}))
    assert (call.usage, call.flags) == (Usage(4194, 847, 4000), ())


def test_a_total_decides() -> None:
    call = call_of(read_span("my.app", {**CLAUDE, "gen_ai.usage.input_tokens": 7594, "gen_ai.usage.total_tokens": 7594 + 847}))
    assert (call.usage, call.flags) == (Usage(7594, 847, 4000), ())


def test_counts_as_texts_and_doubles() -> None:
    attributes = {
        **CLAUDE,
        "gen_ai.usage.input_tokens": "7594",
        "gen_ai.usage.output_tokens": 847.0,
        "gen_ai.usage.cache_read.input_tokens": "4000",
    }
    assert usage_of(read_span("my.app", attributes)) == Usage(7594, 847, 4000)


def test_usage_of_nobody_knows_what_restates() -> None:
    """Neither model nor provider nor operation: not thrown away, and not charged beside calls below it."""
    span = read_span("my.app", {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}, name="llm")
    assert (span.kind, span.operation, usage_of(span)) == ("aggregate", "unnamed", Usage(10, 5))
    named = read_span("my.app", {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5, "gen_ai.system": "openai"})
    assert (named.kind, named.operation) == ("inference", "chat")
