"""Committed use: what a company has promised to spend with a provider in each period, held against what it did spend.

A commitment changes no call's price. When a period is over, what is missing of it (or what was used beyond it, where that costs more) is
an entry of its own, made here from the sums of the ledger; `money * days / days` is the only arithmetic, rounded once, half-even.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from spanledger.enrich.agreements import Item, Standing, commitment_identity, commitment_text, exchange
from spanledger.enrich.events import CostEvent, Line
from spanledger.enrich.meters import METERED, METERED_SPLIT
from spanledger.enrich.money import ATTO, divide_half_even, product_text, rational_from_text, text_from_atto
from spanledger.enrich.terms_config import CommitmentTerms, TermsConfig

COMMITMENT_BASIS: Final = f"{METERED}commitment:"
"""What the usage basis of a commitment's entry begins with, before the contract's name. Like a meter's it is cost and no call."""
OPERATION: Final = "commitment"
SHORTFALL: Final = "commitment_shortfall"
OVERAGE: Final = "commitment_overage"
PURCHASE: Final = "Purchase"
"""FOCUS' ChargeCategory of such an entry: it is bought, and not used."""
_PERIODS_MAX: Final = 1200
_MONTHS: Final = {"month": 1, "quarter": 3, "year": 12}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Commitment(NamedTuple):
    """One contract's commitment. `first` and `last` (exclusive) are its days in its time zone, None where it is open; `usd` has the
    currency's rates as (from, to, USD for one)."""

    name: str
    tenant: str | None
    provider: str
    said: CommitmentTerms
    first: date | None
    last: date | None
    usd: tuple[tuple[int, int, str], ...]
    item: Item
    identity: str

    @property
    def text(self) -> str:
        """What was promised, for people."""
        return commitment_text(self.said)


class Period(NamedTuple):
    """A period of a commitment: its name, its days (`end` exclusive), how many of them the contract holds, and its time in Unix ns."""

    label: str
    begin: date
    end: date
    days_held: int
    from_ns: int
    to_ns: int


class Settled(NamedTuple):
    """A period's commitment against its use, in atto-USD. `unpriced_calls` are in it without a price, so that more was used."""

    commitment: Commitment
    period: Period
    committed_usd: int
    used_usd: int
    unpriced_calls: int = 0

    @property
    def left_usd(self) -> int:
        """What is still to be used; at the end of the period, the shortfall."""
        return max(0, self.committed_usd - self.used_usd)

    @property
    def overage_usd(self) -> int:
        """What use beyond the commitment costs on top of its calls' prices."""
        beyond = max(0, self.used_usd - self.committed_usd)
        if not beyond or self.commitment.said.overage is None:
            return 0
        numerator, denominator = rational_from_text(self.commitment.said.overage)
        return divide_half_even(beyond * numerator, 100 * denominator)

    def projected_usd(self, now_ns: int) -> int:
        """What will have been used at the end of the period if it goes on as it went until now."""
        start, end = self.period.from_ns, self.period.to_ns
        if now_ns >= end:
            return self.used_usd
        return divide_half_even(self.used_usd * (end - start), now_ns - start) if now_ns > start else 0


def commitments_of(config: TermsConfig, contracts: Sequence[Item], zone: Callable[[str], tzinfo]) -> list[Commitment]:
    """The commitments of terms; `contracts` are its contracts made ready, in their order, `zone` gives a time zone by its name."""
    rates = exchange(config.currencies)
    found = []
    for said, item in zip(config.contracts, contracts, strict=True):
        promised = said.commitment
        if promised is None:
            continue
        local = zone(promised.tz)
        usd = tuple(rates.get(promised.currency, [(-(2**63), 2**63, "1")]))
        first, last = (_day(text, local) for text in (said.start, said.end))
        found.append(Commitment(said.name, said.tenant or None, item.provider, promised, first, last, usd, item, commitment_identity(said)))
    return found


def _day(text: str, local: tzinfo) -> date | None:
    """The day a contract's date means in the commitment's time zone: a day is that day anywhere, a moment the day it lies in."""
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return moment.date() if "T" not in text else moment.replace(tzinfo=UTC).astimezone(local).date()


# -- periods -------------------------------------------------------------------------------------------------------------


def periods_of(commitment: Commitment, local: tzinfo, since: date, until: date) -> list[Period]:
    """The periods of a commitment that have days from `since` up to and including `until`, in order.

    Months, quarters and years are the calendar's in its time zone. One that the contract holds only a part of counts for that part.
    """
    first, last = commitment.first or since, commitment.last
    if commitment.said.period == "contract":
        whole = last or date.max
        return [_period("contract", first, whole, first, whole, local)] if first <= until and since < whole else []
    months = _MONTHS[commitment.said.period]
    begin = _month_of(max(first, since), months)
    found: list[Period] = []
    while begin <= until and (last is None or begin < last) and len(found) < _PERIODS_MAX:
        end = _after(begin, months)
        held, ends = max(begin, first), end if last is None else min(end, last)
        if held < ends:
            found.append(_period(_label(begin, months), begin, end, held, ends, local))
        begin = end
    return found


def _period(label: str, begin: date, end: date, held: date, ends: date, local: tzinfo) -> Period:
    return Period(label, begin, end, (ends - held).days, _ns(held, local), _ns(ends, local))


def _month_of(day: date, months: int) -> date:
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def _after(begin: date, months: int) -> date:
    return date(begin.year + (begin.month - 1 + months) // 12, (begin.month - 1 + months) % 12 + 1, 1)


def _label(begin: date, months: int) -> str:
    if months == 1:
        return f"{begin:%Y-%m}"
    return f"{begin.year}-Q{begin.month // 3 + 1}" if months == 3 else f"{begin.year}"


def _ns(day: date, local: tzinfo) -> int:
    if day == date.max:
        return 2**63 - 1
    since = datetime(day.year, day.month, day.day, tzinfo=local) - _EPOCH
    return (since // timedelta(seconds=1)) * 1_000_000_000


def committed_usd(commitment: Commitment, period: Period) -> int:
    """What was promised for a period, in atto-USD at the exchange rate of its first day; a part of it by days.

    Rates are dated by days in UTC. So the day is taken by its date, and not by when it begins where the contract is: a rate from the
    contract's first day is that day's, though it begins in Berlin while it is still the day before in UTC.
    """
    first = max(period.begin, commitment.first or period.begin)
    at_ns = _ns(first, UTC)
    usd = next((usd for from_ns, to_ns, usd in commitment.usd if from_ns <= at_ns < to_ns), None)
    if usd is None:
        raise ValueError(f"{commitment.name}: no rate of {commitment.said.currency} on {first}")
    numerator, denominator = rational_from_text(product_text(commitment.said.amount, usd))
    days = (period.end - period.begin).days
    return divide_half_even(numerator * ATTO * period.days_held, denominator * days)


def commitment_for(matched: Iterable[tuple[Standing, Item]], live: Mapping[int, Commitment]) -> Commitment | None:
    """Which commitment a call counts towards: that of the narrowest contract with one. `live` has them by the id() of their items."""
    able = [(standing, item.from_ns, live[id(item)]) for standing, item in matched if id(item) in live]
    return max(able, key=lambda one: one[:2])[2] if able else None


# -- entries -------------------------------------------------------------------------------------------------------------


class Books(NamedTuple):
    """What books an entry: the prices in force, the run, when, and the version of spanledger; `authority` is whose ledger it goes to."""

    catalog_id: str
    run_id: str
    booked_ns: int
    engine_version: str
    authority: str


def trace_of(commitment: Commitment, period: Period) -> bytes:
    """The trace id that stands for a contract's period: the same whatever the terms have become since."""
    return hashlib.sha256(f"commitment\0{commitment.name}\0{commitment.tenant}\0{period.label}".encode()).digest()[:16]


def charge_of(settled: Settled, by: Books) -> CostEvent:
    """The charge that a settled period asks for, as it has no id yet; its cost is zero where nothing is owed.

    It stands in the last second of its period, with no counts: it is cost, and no call.
    """
    commitment, period = settled.commitment, settled.period
    lines, reason = _lines(settled)
    cost = sum(line.cost_usd for line in lines)
    trace = trace_of(commitment, period)
    at_ns = period.to_ns - 1_000_000_000
    blank = dict.fromkeys(CostEvent._fields)
    said = {
        "event_id": b"", "kind": "charge", "reason": reason, "start_ns": at_ns, "end_ns": at_ns, "received_ns": at_ns,
        "booked_ns": by.booked_ns, "authority": by.authority, "tenant_id": commitment.tenant,
        "tenant_source": f"contract:{commitment.name}" if commitment.tenant else None, "split_index": METERED_SPLIT,
        "cost_surface": "other", "operation": OPERATION, "provider": commitment.provider or None, "status": "ok",
        "trace_id": trace, "span_id": hashlib.sha256(trace).digest()[:8], "usage": (), "wall_clock_ms": 0,
        "list_cost_usd": cost, "cost_usd": cost, "currency": "USD", "lines": lines, "usage_state": "measured", "price_state": "priced",
        "provider_billing": "billed", "customer_billable": False, "position": 0, "dialect": "terms",
        "usage_basis": f"{COMMITMENT_BASIS}{commitment.name}", "ruleset_id": "terms", "catalog_id": by.catalog_id,
        "engine_version": by.engine_version, "run_id": by.run_id, "suppressed_span_ids": (), "flags": (),
    }  # fmt: skip
    return CostEvent(**{**blank, **said})  # type: ignore[arg-type]  # blank has every field, said those that are not None


def _lines(settled: Settled) -> tuple[tuple[Line, ...], str]:
    """The arithmetic as lines that sum to what is owed: the commitment less what was used of it, or what is dearer beyond it."""
    identity = settled.commitment.identity
    if settled.left_usd:
        lines = [_whole("commitment", 1, settled.committed_usd, identity)]
        lines += [_whole("commitment_used", -1, settled.used_usd, identity)] if settled.used_usd else []
        return tuple(lines), SHORTFALL
    over = settled.overage_usd
    return ((_whole(OVERAGE, 1, over, identity),) if over else ()), OVERAGE


def _whole(unit: str, sign: int, usd: int, identity: str) -> Line:
    return Line(unit, sign, identity, text_from_atto(usd), 1, sign * usd)


def charge_category(usage_basis: str) -> str:
    """FOCUS' ChargeCategory of an entry by its usage basis: a commitment's is bought, all others are used."""
    return PURCHASE if usage_basis.startswith(COMMITMENT_BASIS) else "Usage"
