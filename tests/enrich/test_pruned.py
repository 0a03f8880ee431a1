"""Pruning takes the content and nothing a rule reads: every captured export reads the same before and after it."""

from __future__ import annotations

import pytest

from spanledger.enrich.dialects.dialect import all_refs
from spanledger.enrich.kept import Kept, kept_for
from spanledger.enrich.read import Reader
from spanledger.enrich.records import Reading
from spanledger.enrich.refs import split_ref
from spanledger.enrich.rules import default_rules
from spanledger.receiver.otlp_json import to_protobuf
from spanledger.receiver.prune import Pruner
from tests.conformance.road import CASES, case_names

RULES = default_rules()
SECRET = b"a key of thirty-two bytes exactly"


def requests_of(case: str) -> list[bytes]:
    files = sorted((CASES / case).glob("[0-9]*.traces.*"))
    return [to_protobuf(file.read_bytes()) if file.suffix == ".json" else file.read_bytes() for file in files]


def readings_of(requests: list[bytes]) -> list[Reading]:
    reader = Reader(RULES)
    found: list[Reading] = []
    for request in requests:
        readings, problems = reader.read(request, authority="a", key_tenant=None, position=0, received_ns=0)
        assert problems == []
        found += [reading._replace(call=reading.call and reading.call._replace(prompt_hmac=None)) for reading in readings]
    return found


@pytest.fixture(scope="module")
def pruner() -> Pruner:
    return Pruner(kept_for(RULES), SECRET)


@pytest.mark.parametrize("case", case_names())
def test_a_pruned_export_reads_like_the_raw_one(case: str, pruner: Pruner) -> None:
    requests = requests_of(case)
    assert readings_of([pruner.prune(request) for request in requests]) == readings_of(requests)


def test_a_key_that_pruning_forgets_is_missed() -> None:
    """The negative control: without the response ids among the kept texts the two differ."""
    kept = kept_for(RULES)
    forgetful = Kept(kept.text_keys - {"gen_ai.response.id"}, kept.json_keys, kept.span_names, kept.span_name_words, kept.event_names)
    requests = requests_of("otel-openai/chat")
    pruned = [Pruner(forgetful, SECRET).prune(request) for request in requests]
    assert readings_of(pruned) != readings_of(requests)


def test_every_reference_is_kept() -> None:
    kept = kept_for(RULES)
    prompts = {ref for dialect in RULES.dialects for ref in dialect.prompt}
    for dialect in RULES.dialects:
        for ref in all_refs(dialect):
            key, path = split_ref(ref)
            if not ref.startswith("$") and ref not in prompts:
                assert key in kept.json_keys if path else key in kept.text_keys or key in kept.json_keys, (dialect.name, ref)
