"""The tables of meters: what is refused, and what a good one becomes."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.enrich.metering import configured
from tests.enrich.test_meters import SEARCH


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (SEARCH.replace('"10"', "10.0"), "string"),
        (SEARCH.replace('"10"', '"-1"'), "not negative"),
        (SEARCH.replace('"10"', '"ten"'), "not a decimal"),
        (SEARCH.replace('tools = ["web_search"]\n', ""), "every span"),
        (SEARCH.replace("amount =", 'unit = "bytes", amount ='), "attribute"),
        (SEARCH.replace("amount =", 'attribute = "n", amount ='), "counted by itself"),
        (SEARCH + SEARCH, "two meters"),
        (SEARCH.replace("web-search", "web:search"), "a name is made of"),
        (SEARCH.replace("per = 1000", "per = 0"), "greater than"),
    ],
)
def test_a_meter_that_cannot_be_meant_is_refused(wrong: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        configured(wrong)


def test_a_table_becomes_a_meter() -> None:
    [table] = configured(
        SEARCH.replace("}]", ', tiers = [{ above = 1000, amount = "8" }] }]') + 'attributes = { "a" = "1", "b#c" = ["x", "y"] }\n'
    ).meters
    meter = table.meter()
    assert (meter.name, meter.surface, meter.tools, meter.estimated) == ("web-search", "tool_execution", ("web_search",), False)
    assert meter.attributes == {"a": ("1",), "b#c": ("x", "y")}
    assert [(rate.unit, rate.amount, rate.per, rate.tiers) for rate in meter.rates] == [("calls", "10", 1000, ((1000, "8"),))]


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ('tiers = [{ above = 9, amount = "1" }, { above = 9, amount = "0" }]', "least first"),
        ("effective_from = 2026-02-01, effective_to = 2026-01-01", "comes after"),
    ],
)
def test_tiers_and_dates_are_in_order(rates: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        configured(SEARCH.replace("per = 1000", f"per = 1000, {rates}"))


def test_one_unit_is_counted_in_one_way() -> None:
    rates = 'rates = [{ unit = "mb", attribute = "a", amount = "1" }, { unit = "mb", attribute = "b", amount = "1" }]'
    with pytest.raises(ValidationError, match="two ways"):
        configured(SEARCH[: SEARCH.index("rates")] + rates)
