"""Committed use on paper: periods, parts of them, exchange, shortfall, overage, run-rate, and the entry that says what is owed."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from spanledger.enrich.agreements import Agreements
from spanledger.enrich.commitments import (
    OVERAGE,
    SHORTFALL,
    Books,
    Commitment,
    Settled,
    charge_category,
    charge_of,
    commitment_for,
    commitments_of,
    committed_usd,
    periods_of,
    trace_of,
)
from spanledger.enrich.events import Line
from spanledger.enrich.meters import METERED_SPLIT
from spanledger.enrich.money import ATTO, text_from_atto
from spanledger.enrich.terms import Terms, TermsError

BERLIN = ZoneInfo("Europe/Berlin")
BY = Books("pb1-x", "cm1-x", 5, "1", "default")


def commitment(said: str, dates: str = "from = 2026-01-01", more: str = "") -> Commitment:
    terms = Terms.from_toml(
        f'[[contracts]]\nname = "frame"\nprovider = "openai"\ndiscount = "20"\n{dates}\ncommitment = {{ {said} }}\n{more}'
    )
    [found] = commitments_of(terms.config, Agreements(terms.config).contracts, lambda name: UTC if name == "UTC" else ZoneInfo(name))
    return found


def ns(*when: int, tz: ZoneInfo | None = None) -> int:
    return int(datetime(*when, tzinfo=tz or UTC).timestamp()) * 10**9  # type: ignore[arg-type,misc]  # year, month, …


MONTHLY = 'amount = "10000", period = "month"'


def test_months_quarters_and_years_are_the_calendars() -> None:
    since, until = date(2026, 1, 1), date(2026, 11, 21)
    months = periods_of(commitment(MONTHLY), UTC, since, until)
    assert [months[0].label, months[-1].label, len(months)] == ["2026-01", "2026-11", 11]
    assert (months[1].from_ns, months[1].to_ns) == (ns(2026, 2, 1), ns(2026, 3, 1))
    quarters = periods_of(commitment('amount = "1", period = "quarter"'), UTC, since, until)
    assert [period.label for period in quarters] == ["2026-Q1", "2026-Q2", "2026-Q3", "2026-Q4"]
    assert [period.label for period in periods_of(commitment('amount = "1", period = "year"'), UTC, since, until)] == ["2026"]
    [whole] = periods_of(commitment('amount = "1", period = "contract"', "from = 2026-03-01\nto = 2027-03-01"), UTC, since, until)
    assert (whole.label, whole.from_ns, whole.to_ns) == ("contract", ns(2026, 3, 1), ns(2027, 3, 1))


def test_a_period_begins_at_midnight_where_the_contract_is() -> None:
    held = commitment('amount = "1", period = "month", tz = "Europe/Berlin"')
    october = periods_of(held, BERLIN, date(2026, 10, 1), date(2026, 10, 31))[0]
    assert (october.from_ns, october.to_ns) == (ns(2026, 9, 30, 22), ns(2026, 10, 31, 23))  # clocks go back on 25 October: 745 hours
    assert october.to_ns - october.from_ns == 745 * 3600 * 10**9


def test_a_part_of_a_period_counts_for_its_days() -> None:
    held = commitment('amount = "3100", period = "month"', "from = 2026-01-15\nto = 2026-03-11")
    periods = periods_of(held, UTC, date(2025, 1, 1), date(2026, 12, 31))
    assert [period.label for period in periods] == ["2026-01", "2026-02", "2026-03"]
    # 17 of 31 days: 1700; all of February; 10 of 31 days: 1000
    assert [text_from_atto(committed_usd(held, period)) for period in periods] == ["1700", "3100", "1000"]
    third = commitment('amount = "100", period = "month"', "from = 2026-09-21")  # 10 of 30 days: a third, rounded once
    assert text_from_atto(committed_usd(third, periods_of(third, UTC, date(2026, 9, 1), date(2026, 9, 30))[0])) == "33." + "3" * 18


def test_another_currency_is_taken_at_the_rate_of_the_first_day() -> None:
    rates = '[[currencies]]\ncode = "EUR"\nusd = "1.10"\nfrom = 2026-01-01\n[[currencies]]\ncode = "EUR"\nusd = "1.20"\nfrom = 2026-02-10\n'
    held = commitment('amount = "10000", currency = "EUR", period = "month"', more=rates)
    periods = periods_of(held, UTC, date(2026, 1, 1), date(2026, 3, 31))
    assert [text_from_atto(committed_usd(held, period)) for period in periods] == ["11000", "11000", "12000"]
    with pytest.raises(TermsError, match="frame: no rate of EUR under"):
        commitment('amount = "1", currency = "EUR", period = "month"')
    with pytest.raises(TermsError, match="commitment begins before the first rate of EUR"):
        commitment('amount = "1", currency = "EUR", period = "month"', "from = 2025-12-31", rates)
    stored = Terms.from_bytes(
        b'{"contracts":[{"commitment":{"amount":"1","currency":"EUR","period":"month"},"discount":"1","name":"old"}]}'
    )
    assert stored.config.contracts[0].name == "old"  # those that an earlier release took are read for ever


def test_the_first_day_is_meant_by_its_date_wherever_the_contract_is() -> None:
    rates = '[[currencies]]\ncode = "EUR"\nusd = "1.10"\nfrom = 2026-01-01\n[[currencies]]\ncode = "EUR"\nusd = "1.20"\nfrom = 2026-04-01\n'
    for zone in ("Europe/Berlin", "America/New_York", "Pacific/Kiritimati", "UTC"):
        said = f'amount = "10000", currency = "EUR", period = "quarter", tz = "{zone}"'
        held = commitment(said, more=rates)  # the contract, its commitment and the first rate all begin on 1 January
        periods = periods_of(held, ZoneInfo(zone), date(2026, 1, 1), date(2026, 6, 30))
        assert [text_from_atto(committed_usd(held, period)) for period in periods] == ["11000", "12000"], zone


@pytest.mark.parametrize(
    ("said", "mistake"),
    [
        ('contracts = [{ name = "a", discount = "1", commitment = { amount = "1", period = "contract" } }]', "needs the contract's `from`"),
        (
            """contracts = [{ name = "a", discount = "1", commitment = { amount = "1", period = "month" } },
                            { name = "a", discount = "1", from = 2026-01-01, commitment = { amount = "1", period = "month" } }]""",
            "a: two contracts with a commitment have this name",
        ),
    ],
)
def test_what_could_not_be_settled_is_refused_as_it_is_written(said: str, mistake: str) -> None:
    with pytest.raises(TermsError, match=mistake):
        Terms.from_toml(said)


def settled(used: str, said: str = MONTHLY) -> Settled:
    held = commitment(said)
    october = periods_of(held, UTC, date(2026, 10, 1), date(2026, 10, 31))[0]
    return Settled(held, october, committed_usd(held, october), int(float(used) * 100) * ATTO // 100)


def test_a_shortfall_on_paper() -> None:
    each = settled("6400")
    assert (each.left_usd, each.overage_usd) == (3600 * ATTO, 0)
    charge = charge_of(each, BY)
    identity = each.commitment.identity
    assert charge.lines == (
        Line("commitment", 1, identity, "10000", 1, 10_000 * ATTO),
        Line("commitment_used", -1, identity, "6400", 1, -6400 * ATTO),
    )
    assert (charge.cost_usd, charge.list_cost_usd, charge.reason) == (3600 * ATTO, 3600 * ATTO, SHORTFALL)
    assert charge.start_ns == charge.end_ns == ns(2026, 10, 31, 23, 59, 59)  # the last second of its period: a report of it has it
    assert (charge.split_index, charge.input_tokens, charge.usage, charge.wall_clock_ms) == (METERED_SPLIT, None, (), 0)  # no call
    assert (charge.tenant_id, charge.customer_billable, charge.provider) == (None, False, "openai")
    assert charge_category(charge.usage_basis) == "Purchase"
    assert charge_category("inclusive") == charge_category("meter:search") == "Usage"


def test_use_beyond_costs_more_where_that_is_agreed() -> None:
    dearer = f'{MONTHLY}, overage = "12.5"'
    each = settled("12500", dearer)  # 2500 beyond, 12.5 % of it
    assert (each.left_usd, text_from_atto(each.overage_usd)) == (0, "312.5")
    assert charge_of(each, BY).reason == OVERAGE
    assert [(line.unit, line.amount) for line in charge_of(each, BY).lines] == [(OVERAGE, "312.5")]
    assert settled("12500").overage_usd == settled("10000", dearer).overage_usd == 0
    assert charge_of(settled("10000", dearer), BY).cost_usd == 0
    assert text_from_atto(settled("12500", f'{MONTHLY}, overage = "-10"').overage_usd) == "-250"


def test_the_run_rate() -> None:
    each = settled("2000")
    assert each.projected_usd(ns(2026, 10, 11, 8)) == 6000 * ATTO  # 248 of 744 hours are a third
    assert each.projected_usd(ns(2026, 10, 1)) == 0
    assert each.projected_usd(ns(2026, 11, 1)) == each.projected_usd(ns(2027, 1, 1)) == 2000 * ATTO


def test_what_stands_for_a_period_is_the_same_whatever_the_terms_become() -> None:
    one, other = settled("1"), settled("1", 'amount = "12000", period = "month"')
    assert trace_of(one.commitment, one.period) == trace_of(other.commitment, other.period)
    assert one.commitment.identity != other.commitment.identity


def test_a_call_counts_towards_the_narrowest_contract_with_a_commitment() -> None:
    said = """
    contracts = [
      { name = "all", provider = "openai", discount = "1", commitment = { amount = "1", period = "month" } },
      { name = "mini", provider = "openai", models = ["gpt-x-mini"], discount = "5" },
      { name = "gpt", provider = "openai", models = ["gpt-x*"], discount = "2", commitment = { amount = "2", period = "month" } },
    ]
    """
    terms = Terms.from_toml(said)
    contracts = Agreements(terms.config).contracts
    live = {id(each.item): each for each in commitments_of(terms.config, contracts, lambda _: UTC)}
    matched = [((False, 0, True, 0), contracts[0]), ((False, 1 << 16, True, 0), contracts[1]), ((False, 6, True, 0), contracts[2])]
    found = commitment_for(matched, live)
    assert found is not None
    assert found.name == "gpt"
    assert commitment_for(matched[1:2], live) is None
