"""Settings of enrichment: payer references, dialects from tables, and the id of the rules."""

from __future__ import annotations

import tomllib

import pytest
from pydantic import ValidationError

from spanledger.enrich.config import EnrichConfig, dialect_from, policy_from, rules_from
from spanledger.enrich.kept import kept_for
from spanledger.enrich.payers import LINK_FIELDS
from spanledger.enrich.read import Reader
from spanledger.enrich.rules import default_rules
from tests.enrich.test_read import request_of, span_of

OWN = """
[payers.span]
tenant = ["app.org_slug"]

[[dialects]]
name = "house"
scopes = ["acme.llm.*"]
versions = ">=2"
request_model = ["llm.model"]
default_provider = "openai"

[[dialects.kinds]]
ref = "llm.kind"
values = { completion = "inference:chat" }

[[dialects.shapes]]
name = "house"
input = ["llm.tokens#in"]
output = ["llm.tokens#out"]
cache_read = ["llm.tokens#cached"]
outside = ["cache_read"]
"""


def test_a_users_dialect_and_payer_need_no_code() -> None:
    rules = rules_from(EnrichConfig.model_validate(tomllib.loads(OWN)))
    span = span_of(
        {"llm.kind": "completion", "llm.model": "gpt-4o", "llm.tokens": '{"in": 10, "out": 5, "cached": 90}', "app.org_slug": "acme"}
    )
    request = (
        request_of(span)
        .replace(b"opentelemetry.instrumentation.genai.openai", b"acme.llm.client".ljust(42, b"x"))
        .replace(b"1.3b0", b"2.0.0")
    )
    (reading,), _ = Reader(rules).read(request, authority="a", key_tenant=None, position=0, received_ns=0)
    assert reading.payers.tenant == "acme"
    assert reading.call is not None
    assert reading.call.usage is not None
    assert (reading.call.dialect, reading.call.usage[:3], reading.call.provider) == ("house", (100, 5, 90), "openai")
    kept = kept_for(rules)
    assert "app.org_slug" in kept.text_keys
    assert "llm.tokens" in kept.json_keys
    assert rules.ruleset_id != default_rules().ruleset_id


def test_a_dialect_may_extend_a_shipped_one() -> None:
    dialect = dialect_from({"name": "mine", "extends": "generic", "scopes": ["mine"]})
    assert dialect.kinds
    assert (dialect.name, dialect.scopes, dialect.seen) == ("mine", ("mine",), "")


@pytest.mark.parametrize(
    "table",
    [
        {"extends": "generic", "name": "x", "scoops": []},
        {"extends": "nobody", "name": "x"},
        {"name": "x", "versions": "two"},
        {"name": 5},
        {"name": "x", "shapes": [{"inputs": ["a"]}]},
    ],
)
def test_a_bad_table_is_refused_at_the_start(table: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        EnrichConfig.model_validate({"dialects": [table]})


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValidationError):
        EnrichConfig.model_validate({"payer": {}})
    with pytest.raises(ValidationError):
        EnrichConfig.model_validate({"payers": {"span": {"tenants": ["x"]}}})


def test_without_defaults_only_the_configured_references_are_asked() -> None:
    rules = rules_from(EnrichConfig.model_validate({"payers": {"defaults": False, "span": {"tenant": ["org"]}}}))
    assert rules.payers.span["tenant"] == ("org",)
    assert rules.payers.span["user"] == ()
    assert rules.payers.allocation == ()


def test_the_id_is_of_the_content() -> None:
    assert rules_from(EnrichConfig()).ruleset_id == default_rules().ruleset_id


def test_waiting_times_reach_the_engine() -> None:
    config = EnrichConfig.model_validate({"settle": {"quiet_seconds": 5, "spans_max": 10}})
    assert (policy_from(config).quiet_seconds, policy_from(config).spans_max) == (5, 10)


@pytest.mark.parametrize(
    ("setting", "fields"),
    [("false", ()), ("true", LINK_FIELDS), ("[]", ()), ('["user", "tenant"]', ("tenant", "user")), ('["workflow"]', ("workflow",))],
)
def test_what_is_taken_from_links_is_chosen(setting: str, fields: tuple[str, ...]) -> None:
    rules = rules_from(EnrichConfig.model_validate(tomllib.loads(f"[payers]\nfrom_links = {setting}\nfrom_session = true")))
    assert (rules.payers.from_links, rules.payers.from_session) == (fields, True)
    assert rules.ruleset_id != default_rules().ruleset_id
    assert not default_rules().payers.from_links
    assert not default_rules().payers.from_session


@pytest.mark.parametrize("setting", ['"tenant"', '["company"]', "3"])
def test_a_field_that_there_is_none_of_cannot_be_taken_from_links(setting: str) -> None:
    with pytest.raises(ValidationError, match="from_links"):
        EnrichConfig.model_validate(tomllib.loads(f"[payers]\nfrom_links = {setting}"))
