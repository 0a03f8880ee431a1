"""What billing systems are told: one usage event an entry of the ledger that a customer pays, in each system's own words.

The key of an event is made of the entry's id, so telling it twice is telling it once. Corrections are events of their own with the
difference, for no system promises to change an event later. Money is exact text where a system takes text; where it takes numbers,
whole micro-dollars, rounded on the running sum of each customer, so that the sum of what was sent is never off by more than half of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Context, Decimal
from typing import Any, Final, NamedTuple

from spanledger.enrich.records import DAY_NS
from spanledger.store.entries import decimal_text
from spanledger.store.errors import StoreError
from spanledger.store.ledger import Ledger
from spanledger.store.query import snapshot
from spanledger.store.tenants import read_facts
from spanledger.store.times import rfc3339

AMOUNTS: Final = ("customer_price_usd", "cost_usd")
"""What customers can be billed: the price of their rate card, or what their calls cost."""
_WIDE: Final = Context(prec=76)  # the default of 28 digits would round amounts of 38
_ATTO_OF_MICRO: Final = 10**12
_BATCH: Final = 4_096
_STRIPE_DIGITS: Final = 15
"""Significant digits of a meter event's value (Stripe, billing meter events)."""


class BillingError(StoreError):
    """A billing system cannot be told this."""


class Bill(NamedTuple):
    """What one entry is to a customer: `amount_usd` exact, `amount_micro_usd` so that the running sum is right. `time_ns` is UTC."""

    key: str
    entry_number: int
    customer: str
    time_ns: int
    amount_usd: Decimal
    amount_micro_usd: int
    properties: Mapping[str, str | int | None]


class Selection(NamedTuple):
    """Whose entries are billed, by what amount, and under which name of a meter."""

    authority: str
    amount: str
    meter: str


class System(NamedTuple):
    """A billing system: how far back an event's time may lie, how many events a request takes, and how it spells one.

    `attribute` is the attribute of a tenant that holds its customer id there; `is_named`: without it the tenant's own name is that id.
    """

    name: str
    attribute: str
    is_named: bool
    past_ns: int | None
    batch: int
    payload: Callable[[Bill, str, str], dict[str, Any]]
    doc: str


def _seconds(bill: Bill) -> int:
    return bill.time_ns // 1_000_000_000


def _texts(bill: Bill) -> dict[str, str]:
    """Every property as text; what is not known is left out."""
    return {name: str(value) for name, value in _known(bill).items()}


def _known(bill: Bill) -> dict[str, str | int]:
    money: dict[str, str | int] = {"cost_usd": decimal_text(bill.amount_usd), "cost_micro_usd": bill.amount_micro_usd}
    return {**{name: value for name, value in bill.properties.items() if value is not None}, **money}


def _stripe(bill: Bill, meter: str, _ledger_id: str) -> dict[str, Any]:
    value = str(bill.amount_micro_usd)
    if len(value.lstrip("-")) > _STRIPE_DIGITS:
        raise BillingError(f"entry {bill.entry_number} is {value} micro-USD, and Stripe takes {_STRIPE_DIGITS} digits: bill it by hand")
    payload = {"stripe_customer_id": bill.customer, "value": value}
    return {"event_name": meter, "identifier": bill.key, "timestamp": rfc3339(_seconds(bill) * 1_000_000_000), "payload": payload}


def _orb(bill: Bill, meter: str, _ledger_id: str) -> dict[str, Any]:
    return {
        "event_name": meter,
        "idempotency_key": bill.key,
        "external_customer_id": bill.customer,
        "timestamp": rfc3339(bill.time_ns),
        "properties": _known(bill),
    }


def _metronome(bill: Bill, meter: str, _ledger_id: str) -> dict[str, Any]:
    return {
        "transaction_id": bill.key,
        "customer_id": bill.customer,
        "event_type": meter,
        "timestamp": rfc3339(bill.time_ns),
        "properties": _texts(bill),
    }


def _openmeter(bill: Bill, meter: str, ledger_id: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": bill.key,
        "source": f"spanledger/{ledger_id}",
        "type": meter,
        "subject": bill.customer,
        "time": rfc3339(bill.time_ns),
        "datacontenttype": "application/json",
        "data": _texts(bill),
    }


def _lago(bill: Bill, meter: str, _ledger_id: str) -> dict[str, Any]:
    return {
        "transaction_id": bill.key,
        "external_subscription_id": bill.customer,
        "code": meter,
        "timestamp": f"{_seconds(bill)}.{bill.time_ns // 1_000_000 % 1_000:03d}",
        "precise_total_amount_cents": decimal_text(_WIDE.multiply(bill.amount_usd, Decimal(100))),
        "properties": _texts(bill),
    }


SYSTEMS: Final[dict[str, System]] = {
    system.name: system
    for system in (
        System("stripe", "stripe_customer_id", False, 35 * DAY_NS, 100, _stripe, "Stripe meter events, in micro-USD."),
        System("orb", "orb_customer_id", True, None, 500, _orb, "Orb events; customers by external id."),
        System("metronome", "metronome_customer_id", True, 34 * DAY_NS, 100, _metronome, "Metronome events; customers by id or alias."),
        System("lago", "lago_subscription_id", True, None, 100, _lago, "Lago events with precise_total_amount_cents, for dynamic charges."),
        System("openmeter", "openmeter_subject", True, None, 100, _openmeter, "OpenMeter events (CloudEvents 1.0)."),
    )
}
"""The billing systems by name. How far back an event's time may lie: Stripe 35 days, Metronome 34; the others say nothing or let
the account decide."""

_PROPERTIES: Final = (
    *("kind", "reason", "provider", "coalesce(response_model, request_model) AS model", "operation", "cost_surface", "service_tier"),
    *("workflow", "agent", "feature", "environment", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"),
    *("reasoning_tokens", "lower(hex(trace_id)) AS trace_id", "lower(hex(ref_event_id)) AS corrects"),
)
_NAMES: Final = tuple(sql.rsplit(" AS ", 1)[-1] for sql in _PROPERTIES)
_BILLABLE: Final = "customer_billable AND authority = $authority AND tenant_id IS NOT NULL AND entry_number <= $last"


def bills(ledger: Ledger, system: System, chosen: Selection, first: int, last: int) -> Iterator[Bill]:
    """The bills of entries `first` to `last`, in the order of booking.

    An event's time is the start of the call; where that lay too far back when the entry was booked, the time of booking. Entries that come
    to nothing are passed over. Raises BillingError for a tenant that the system has no customer for: nothing is left out in silence.
    """
    amount = _amount(chosen)
    with snapshot(ledger) as connection:
        bound: dict[str, Any] = {"authority": chosen.authority, "last": first - 1}
        before = f"SELECT tenant_id, sum({amount}) FROM entries WHERE {_BILLABLE} AND {amount} IS NOT NULL GROUP BY 1"  # noqa: S608 - our own names
        sums = {tenant: _atto(amount_usd) for tenant, amount_usd in connection.execute(before, bound).fetchall()}
        rows = connection.execute(
            f"SELECT entry_number, lower(hex(event_id)), tenant_id, start_ns, booked_ns, {amount}, {', '.join(_PROPERTIES)}"  # noqa: S608 - as above
            f" FROM entries WHERE {_BILLABLE} AND entry_number >= $first AND {amount} <> 0 ORDER BY entry_number",
            {**bound, "first": first, "last": last},
        )
        customers = _Customers(ledger, system, chosen.authority)
        while batch := rows.fetchmany(_BATCH):
            for number, event_id, tenant, start_ns, booked_ns, value, *rest in batch:
                was = sums.get(tenant, 0)
                sums[tenant] = now = was + _atto(value)
                late = system.past_ns is not None and booked_ns - start_ns > system.past_ns
                time_ns = booked_ns if late else start_ns
                properties = {**dict(zip(_NAMES, rest, strict=True)), "entry_number": number, "start_time": rfc3339(start_ns)}
                customer = customers.of(tenant, time_ns)
                yield Bill(f"sl-{event_id}", number, customer, time_ns, value, _micro(now) - _micro(was), properties)


def _amount(chosen: Selection) -> str:
    if chosen.amount not in AMOUNTS:
        raise BillingError(f"customers cannot be billed by {chosen.amount!r}: {' or '.join(AMOUNTS)}")
    return chosen.amount


def _atto(amount_usd: Decimal) -> int:
    return int(amount_usd.scaleb(18, _WIDE))


def _micro(atto: int) -> int:
    """Whole micro-dollars, half to even."""
    whole, rest = divmod(atto, _ATTO_OF_MICRO)
    return whole + (2 * rest + (whole & 1) > _ATTO_OF_MICRO)


def without_amount(ledger: Ledger, chosen: Selection, first: int, last: int) -> int:
    """How many billable charges of these entries have no amount (unpriced, or no rate card for the customer): they are not billed."""
    amount = _amount(chosen)
    with snapshot(ledger) as connection:
        found = connection.execute(
            f"SELECT count(*) FROM entries WHERE {_BILLABLE} AND entry_number >= $first AND kind = 'charge' AND {amount} IS NULL",  # noqa: S608 - our own names
            {"authority": chosen.authority, "first": first, "last": last},
        ).fetchone()
    return int(found[0]) if found else 0


class _Customers:
    """The ids of tenants in a billing system, as they stood at a time."""

    def __init__(self, ledger: Ledger, system: System, authority: str) -> None:
        self._system = system
        self._facts: dict[str, list[tuple[int, int, str]]] = {}
        for fact in read_facts(ledger.metastore, attribute=system.attribute):
            if fact.authority == authority:
                self._facts.setdefault(fact.tenant, []).append((fact.from_ns, fact.until_ns, fact.value))

    def of(self, tenant: str, at_ns: int) -> str:
        """The customer that a tenant is; BillingError where the system has no name for it."""
        for from_ns, until_ns, value in self._facts.get(tenant, ()):
            if from_ns <= at_ns < until_ns:
                return value
        if self._system.is_named:
            return tenant
        attribute = self._system.attribute
        raise BillingError(
            f"tenant {tenant!r} has no {attribute}: `spanledger tenants set {tenant} {attribute}=ID` names it, then try again"
        )


def bill_payload(system: System, chosen: Selection, ledger_id: str, bill: Bill) -> dict[str, Any]:
    """A bill as the system takes it."""
    return system.payload(bill, chosen.meter, ledger_id)


__all__ = ["AMOUNTS", "SYSTEMS", "Bill", "BillingError", "Selection", "System", "bill_payload", "bills", "without_amount"]
