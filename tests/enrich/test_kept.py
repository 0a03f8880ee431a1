"""What pruning keeps of JSON texts: numbers and identifiers that rules read, payers of any form, never an answer's own words."""

from __future__ import annotations

import json

import pytest

from spanledger.enrich.kept import is_number, kept_for, reduce_json
from spanledger.enrich.rules import default_rules

KEPT = kept_for(default_rules())


def reduced(key: str, value: object) -> object:
    """What is left of a JSON attribute; None where nothing is."""
    text = reduce_json(KEPT.json_keys[key], json.dumps(value))
    return None if text is None else json.loads(text)


def test_a_response_keeps_its_usage_and_its_name() -> None:
    response = {
        "id": "msg_1",
        "model": "claude-sonnet-4-5-20250929",
        "content": [{"type": "text", "text": "an answer"}],
        "usage": {"input_tokens": 194, "output_tokens": 7, "cache_creation": {"ephemeral_1h_input_tokens": 2200}},
    }
    left = reduced("output.value", response)
    assert left == {key: response[key] for key in ("id", "model", "usage")}


@pytest.mark.parametrize("words", ["Jane Doe, 5 Main Street", "tell me\nmore", "x" * 300])
def test_words_under_an_identifiers_key_are_content(words: str) -> None:
    assert reduced("output.value", {"id": words, "model": words, "usage": {"input_tokens": words}}) is None


def test_payers_may_have_blanks() -> None:
    assert reduced("metadata", {"tenant_id": "Acme Corp", "note": "secret"}) == {"tenant_id": "Acme Corp"}


def test_a_number_in_a_text_is_kept_where_numbers_are_read() -> None:
    assert reduced("output.value", {"usage": {"input_tokens": "194", "output_tokens": "many"}}) == {"usage": {"input_tokens": "194"}}


def test_what_no_rule_reads_is_gone() -> None:
    assert reduced("output.value", {"answer": "secret", "choices": [{"text": "secret"}]}) is None


def test_json_keys_are_not_kept_as_texts() -> None:
    assert not KEPT.text_keys & KEPT.json_keys.keys()


def test_where_any_key_is_read_one_that_is_a_sentence_is_content() -> None:
    sent = {"openai": {"reasoningTokens": 3}, "a sentence of somebody": {"reasoningTokens": 5}, "k" * 65: {"reasoningTokens": 7}}
    assert reduced("ai.response.providerMetadata", sent) == {"openai": {"reasoningTokens": 3}}


def test_keys_of_counts_are_known_as_such_and_no_key_that_is_also_read_as_text() -> None:
    assert {"gen_ai.usage.output_tokens", "ai.usage.inputTokens"} <= KEPT.number_keys <= KEPT.text_keys
    assert not {"gen_ai.request.model", "tenant.id", "gen_ai.response.id", "service.name"} & KEPT.number_keys


@pytest.mark.parametrize("text", ["5", " 12 ", "1,234", "-0.5", "1e3", "1_000", "3."])
def test_a_number_in_writing(text: str) -> None:
    assert is_number(text)


@pytest.mark.parametrize("text", ["", "five", "5 words", "1" * 41, "\u0665", "0x10", "1-2-3", "4111 1111 1111 1111"])
def test_no_number_in_writing(text: str) -> None:
    assert not is_number(text)
