"""Which agreements are for a call, and what a name of the company's own means."""

import pytest

from spanledger.enrich.agreements import Agreements, CallNames, aliased, for_tenant, narrowness, standing
from spanledger.enrich.plans import EVER_NS
from spanledger.enrich.records import Call
from spanledger.enrich.terms import Terms

NAMES = CallNames("openai", ("gpt-5-2026", "gpt-5"), "batch", "eu")


def agreements(text: str) -> Agreements:
    return Agreements(Terms.from_toml(text).config)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", (False, 0, False, 0)),
        ('tenant = "acme"', (True, 0, False, 0)),
        ('provider = "OpenAI"', (False, 0, True, 0)),
        ('provider = "azure"', None),
        ('models = ["gpt-*"]', (False, 5, False, 0)),
        ('models = ["gpt-5", "gpt-*"]', (False, 1 << 16, False, 0)),
        ('models = ["claude-*"]', None),
        ('context = { service_tier = "batch", region = "EU" }', (False, 0, False, 2)),
        ('context = { service_tier = "flex" }', None),
    ],
)
def test_standing(said: str, expected: tuple[object, ...] | None) -> None:
    [item] = agreements(f'[[contracts]]\nname = "c"\ndiscount = "1"\n{said}').contracts
    assert standing(item, NAMES) == expected


def test_narrowness_is_by_length_and_a_name_above_all() -> None:
    assert narrowness("gpt-5", "gpt-5") > narrowness("gpt-*", "gpt-5") > narrowness("g*", "gpt-5") > narrowness("*", "gpt-5") > 0
    assert narrowness("gpt-5", "gpt-5-mini") == narrowness("claude*", "gpt-5") == 0


def test_tenants_of_their_own() -> None:
    said = agreements(
        """
        contracts = [{ name = "a", tenant = "acme", discount = "1" }, { name = "all", discount = "2" }]
        customers = [{ name = "gold", tenants = ["globex"], markup = "3" }]
        aliases = [{ name = "x", tenant = "initech", model = "y" }]
        """
    )
    assert said.tenants == {"acme", "globex", "initech"}
    assert [len(for_tenant(said.contracts, tenant)) for tenant in ("acme", "globex", None)] == [2, 1, 1]
    assert {source.name for source in said.sources.values()} == {"a", "all", "gold"}


def test_an_item_has_the_same_id_whatever_it_is_called() -> None:
    one, other = agreements('contracts = [{ name = "a", discount = "1" }]'), agreements('contracts = [{ name = "b", discount = "1" }]')
    assert one.contracts[0].identity == other.contracts[0].identity
    assert one.contracts[0].identity != agreements('contracts = [{ name = "a", discount = "2" }]').contracts[0].identity


def test_an_alias_says_model_provider_region_and_tier() -> None:
    said = agreements(
        """
        aliases = [
            { name = "prod", model = "gpt-5", to_provider = "azure.ai.openai", region = "eu", service_tier = "priority" },
            { name = "prod-*", model = "gpt-5-mini" },
        ]
        """
    )
    call = Call("t", provider="litellm", request_model="Prod")
    [(*times, meant)] = aliased(said.aliases, call, None)
    assert tuple(times) == EVER_NS
    assert (meant.provider, meant.request_model, meant.region, meant.service_tier) == ("azure.ai.openai", "gpt-5", "eu", "priority")
    assert aliased(said.aliases, call._replace(service_tier="flex"), None)[0][2].service_tier == "flex"  # the call's own word counts
    served = aliased(said.aliases, call._replace(response_model="gpt-5-2026"), None)[0][2]
    assert (served.response_model, served.provider) == ("gpt-5-2026", "azure.ai.openai")
    both = aliased(said.aliases, call._replace(response_model="prod-2"), None)[0][2]
    assert (both.response_model, both.request_model, both.region) == ("gpt-5-mini", "gpt-5", None)
    assert aliased(said.aliases, call._replace(request_model="other"), None) == [(*EVER_NS, call._replace(request_model="other"))]
