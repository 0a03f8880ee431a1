"""The tables of shared costs."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from spanledger.enrich.config import shared_costs
from tests.enrich.metering import configured
from tests.enrich.test_meters import SEARCH

TIERED = SEARCH.replace("per = 1000", 'per = 1000, tiers = [{ above = 1000, amount = "8" }]')


def shared(body: str, more: str = "") -> str:
    return f'{more}\n[[enrich.shared]]\nname = "pot"\n{body}\n'


def test_tables_become_shared_costs() -> None:
    [fixed] = shared_costs(configured(shared('monthly = "1200"\nfirst = "2026-01"\nmonths = { "2026-11" = "1321.07" }\nby = "tokens"')))
    assert (fixed.amount_usd("2026-11"), fixed.amount_usd("2026-10"), fixed.amount_usd("2025-12")) == (1_321_070 * 10**15, 1200 * 10**18, 0)
    [pool] = shared_costs(configured(shared('pool = { tenant = ["platform", ""] }\namong = { surface = "inference" }')))
    assert (pool.pool, pool.among, pool.by) == ({"tenant": ("platform", None)}, {"surface": ("inference",)}, "cost")
    [tiers] = shared_costs(configured(shared('tiers_of = "web-search"', TIERED)))
    assert (tiers.meter, tiers.unit, tiers.by, tiers.rates[0].tiers) == ("web-search", "calls", "quantity", ((1000, "8"),))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (shared('by = "cost"'), "is one of"),
        (shared('monthly = "1"\npool = { tenant = "a" }'), "is one of"),
        (shared('monthly = "1"') + shared('monthly = "2"'), "two shared costs"),
        (shared('tiers_of = "web-search"', SEARCH), "monthly tiers"),
        (shared('tiers_of = "nothing"'), "monthly tiers"),
        (shared('monthly = "1"\nfirst = "2026-13"'), "write a month"),
        (shared('monthly = "0.0000000000000000001"'), "finer"),
        (shared("monthly = 1.0"), "string"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        configured(text)
