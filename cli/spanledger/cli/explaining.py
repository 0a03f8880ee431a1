"""One charge from span to money: gathers all the ledger knows of it into a document that text, Markdown, HTML and JSON are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple

from spanledger.cli.meanings import HOW, REASONS, rule_text, unpriced_text
from spanledger.cli.render import decimal_text
from spanledger.cli.times import utc_text
from spanledger.store.entries import net_lines

Entry = Mapping[str, Any]
"""A ledger entry as the store's `find` gives it: ids in hex, money as decimal text."""


class RateInfo(NamedTuple):
    """What a price book says of a rate: where it was published, from when to when it holds, and which list of ours has it."""

    source: str | None
    effective_from: str | None
    effective_to: str | None
    listed_in: str | None = None


class RunInfo(NamedTuple):
    """Who asked for a re-pricing or replay, and why."""

    actor: str | None
    reason: str | None


FindRate = Callable[[str, Entry], RateInfo | None]
"""Finds a rate by its id, given the entry that was priced with it."""

FindPlace = Callable[[Entry], str | None]
"""Says where in the hash chain an entry stands; None where the ledger has no chain."""

FindCustomerLines = Callable[[Entry, Entry], Sequence[Mapping[str, Any]]]
"""The lines of what the payer of a charge is charged, by the prices that the second entry names; none where they are not known."""

_USAGE = (
    ("input_tokens", None),
    ("cache_read_tokens", "input_tokens"),
    ("cache_write_tokens", "input_tokens"),
    ("cache_write_5m_tokens", "cache_write_tokens"),
    ("cache_write_1h_tokens", "cache_write_tokens"),
    ("output_tokens", None),
    ("reasoning_tokens", "output_tokens"),
)
_PRICES = ("list_cost_usd", "contracted_cost_usd", "customer_price_usd")


class Part(NamedTuple):
    """What one payer is charged for a call: the charge that stands, and the adjustments of its price in booking order."""

    charge: Entry
    adjustments: tuple[Entry, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All of them."""
        return (self.charge, *self.adjustments)


def current(entries: Sequence[Entry]) -> list[Entry]:
    """The entries that no reversal has undone: what is charged now. What adjusted a charge that is reversed went with it."""
    undone = {entry["ref_event_id"] for entry in entries if entry["kind"] == "reversal"}
    return [
        entry
        for entry in entries
        if entry["kind"] != "reversal"
        and entry["event_id"] not in undone
        and not (entry["kind"] == "adjustment" and entry["ref_event_id"] in undone)
    ]


def parts_of(live: Sequence[Entry]) -> list[Part]:
    """The charges that stand, each with its adjustments; an adjustment whose charge does not stand is a part by itself."""
    charges = {entry["event_id"] for entry in live if entry["kind"] == "charge"}
    added: dict[str, list[Entry]] = {}
    for entry in live:
        if entry["kind"] == "adjustment" and entry["ref_event_id"] in charges:
            added.setdefault(entry["ref_event_id"], []).append(entry)
    return [
        Part(entry, tuple(added.get(entry["event_id"], ())))
        for entry in live
        if entry["kind"] == "charge" or entry["ref_event_id"] not in charges
    ]


def explain_charge(
    history: Sequence[Entry],
    spans: Mapping[str, Entry],
    find_rate: FindRate,
    runs: Mapping[str, RunInfo] = MappingProxyType({}),
    find_place: FindPlace = lambda _: None,
    find_customer_lines: FindCustomerLines = lambda _charge, _by: (),
) -> dict[str, Any]:
    """The explanation of one span's charge: its entries in booking order, and the spans of its trace by id."""
    live = current(history)
    parts = parts_of(live) or [Part([entry for entry in history if entry["kind"] == "charge"][-1])]
    charges = [part.charge for part in parts]
    entry = charges[0]
    return {
        "charged": bool(live),
        "identity": _identity(entry, spans.get(entry["span_id"])),
        "payers": [_payer(charge) for charge in charges],
        "usage": _usage(charges),
        "price": _price(parts, find_rate, find_customer_lines),
        "suppressed": [_suppressed(span_id, spans) for span_id in entry["suppressed_span_ids"]],
        "history": [{**_booked(each, runs), "proof": find_place(each)} for each in history],
        "evidence": {**_evidence(entry), "proof": find_place(entry)},
    }


def _identity(entry: Entry, span: Entry | None) -> dict[str, Any]:
    facts = {
        name: entry[name] for name in ("operation", "cost_surface", "provider", "request_model", "response_model", "service_tier", "region")
    }
    facts["status"] = entry["status"] if entry["error_type"] is None else f"{entry['status']} ({entry['error_type']})"
    facts["start"] = utc_text(entry["start_ns"])
    facts["duration_ms"] = abs(entry["wall_clock_ms"])
    facts |= {name: entry[name] for name in ("response_id", "trace_id", "span_id", "parent_span_id", "service", "authority")}
    facts["scope"] = span["scope"] if span is not None else None
    return facts


def _payer(entry: Entry) -> dict[str, Any]:
    how, _, key = (entry["tenant_source"] or "").partition(":")
    said = {
        "tenant": entry["tenant_id"],
        "how": (HOW.get(how, how) + (f" ({key})" if key else "")) or None,
        "share": entry["split_weight"],
        "claimed_tenant": entry["claimed_tenant_id"],
        "user": entry["user_id"],
        "session": entry["session_id"],
    }
    return said | {name: entry[name] for name in ("workflow", "agent", "feature", "environment", "initiator")}


def _usage(charges: Sequence[Entry]) -> dict[str, Any]:
    """The counts of the call; those of a shared one are its parts' together."""
    entry = charges[0]
    quantities = []
    for name, whole in _USAGE:
        counts = [charge[name] for charge in charges if charge[name] is not None]
        if counts:
            quantities.append({"unit": name, "quantity": sum(counts), "part_of": whole})
    extra: dict[str, int] = {}
    for charge in charges:
        for item in charge["usage"] or ():
            extra[item["unit"]] = extra.get(item["unit"], 0) + item["quantity"]
    quantities += [{"unit": unit, "quantity": count, "part_of": None} for unit, count in extra.items()]
    return {
        "dialect": entry["dialect"],
        "rule": entry["usage_basis"],
        "meaning": rule_text(entry["usage_basis"]),
        "state": entry["usage_state"],
        "quantities": quantities,
    }


def _price(parts: Sequence[Part], find_rate: FindRate, find_customer_lines: FindCustomerLines) -> dict[str, Any]:
    every = [entry for part in parts for entry in part.entries]
    totals = {name: total(entry[name] for entry in every if entry[name] is not None) for name in _PRICES}
    known = all(part.charge["cost_usd"] is not None for part in parts)
    return {
        "parts": [{**_part(part, find_rate), **_charged(part, find_customer_lines)} for part in parts],
        "total_usd": total(entry["cost_usd"] for entry in every if entry["cost_usd"] is not None) if known else None,
        **{name: value for name, value in totals.items() if value is not None},
    }


def _part(part: Part, find_rate: FindRate) -> dict[str, Any]:
    charge, latest = part.charge, part.entries[-1]
    costs = [entry["cost_usd"] for entry in part.entries]
    priced_by = {_line_key(line): entry for entry in part.entries for line in entry["lines"] or ()}
    lines = net_lines([line for entry in part.entries for line in entry["lines"] or ()])
    return {
        "event_id": charge["event_id"],
        "tenant": charge["tenant_id"],
        "share": charge["split_weight"],
        "state": charge["price_state"],
        "reason": unpriced_text(charge["price_reason"] or "") or None,
        "catalog": latest["catalog_id"],
        "lines": [_line(line, find_rate(line["rate_id"], priced_by[_line_key(line)]), priced_by[_line_key(line)]) for line in lines],
        "cost_usd": None if costs[0] is None else total(cost for cost in costs if cost is not None),
        "adjusted": len(part.adjustments),
        **{name: total(entry[name] for entry in part.entries if entry[name] is not None) for name in _PRICES},
        "billable": charge["customer_billable"],
    }


def _charged(part: Part, find_lines: FindCustomerLines) -> dict[str, Any]:
    """The lines of a part's customer price, or why they cannot be shown: they must add up to what is booked."""
    charge, latest = part.charge, part.entries[-1]
    booked = total(entry["customer_price_usd"] for entry in part.entries if entry["customer_price_usd"] is not None)
    if booked is None:
        return {"customer_lines": [], "customer_note": None}
    if charge["split_weight"] is not None:
        note = f"share {charge['split_weight']} of a call that several pay for: it is priced as a whole and divided by weight"
        return {"customer_lines": [], "customer_note": note}
    lines = find_lines(charge, latest)
    if lines and total(line["customer_price_usd"] for line in lines) == booked:
        return {"customer_lines": list(lines), "customer_note": None}
    note = "not billed" if not charge["customer_billable"] else "the rates it was made of are not at hand"
    return {"customer_lines": [], "customer_note": note}


def _line_key(line: Entry) -> tuple[Any, ...]:
    return line["unit"], line["rate_id"], line["amount"], line["per"]


def _line(line: Entry, rate: RateInfo | None, entry: Entry) -> dict[str, Any]:
    return {
        **line,
        "source": rate.source if rate else None,
        "effective_from": rate.effective_from if rate else None,
        "effective_to": rate.effective_to if rate else None,
        "catalog": entry["catalog_id"],
        "listed_in": rate.listed_in if rate else None,
        "arithmetic": _arithmetic(line, entry["split_weight"]),
    }


def _arithmetic(line: Entry, share: str | None) -> str:
    """How a line's cost comes about. A share has whole units and its part of the whole cost, which these units alone need not come to."""
    cost, rate = line["cost_usd"], f"{line['amount']} / {line['per']:,}"
    if share is not None and Fraction(line["quantity"]) * Fraction(line["amount"]) / line["per"] != Fraction(cost):
        return f"{share} of the call's, at {rate} ({line['quantity']:,} of them) = {cost}"
    return f"{line['quantity']:,} * {rate} = {cost}"


def total(costs: Iterable[str]) -> str | None:
    """The exact sum of amounts in decimal text; None of none."""
    with localcontext(prec=76):
        amounts = [Decimal(cost) for cost in costs]
        return decimal_text(sum(amounts, Decimal())) if amounts else None


def _suppressed(span_id: str, spans: Mapping[str, Entry]) -> dict[str, Any]:
    """A span that told of the same call: «span», or «trace:span» where it is in another trace."""
    span = spans.get(span_id.rpartition(":")[2])
    told = {"span_id": span_id}
    if span is None:
        return told
    told |= {name: span[name] for name in ("scope", "operation", "input_tokens", "output_tokens")}
    return told | {"model": span["response_model"] or span["request_model"]}


def _booked(entry: Entry, runs: Mapping[str, RunInfo]) -> dict[str, Any]:
    reason = entry["reason"] or ""
    run = runs.get(entry["run_id"] or "")
    return {
        "booked": utc_text(entry["booked_ns"]),
        "kind": entry["kind"],
        "event_id": entry["event_id"],
        "ref_event_id": entry["ref_event_id"],
        "tenant": entry["tenant_id"],
        "cost_usd": entry["cost_usd"],
        "customer_price_usd": entry["customer_price_usd"],
        "reason": f"{reason}: {REASONS[reason]}" if reason in REASONS else (reason or None),
        "catalog": entry["catalog_id"],
        "run": entry["run_id"],
        "actor": run.actor if run else None,
        "run_reason": run.reason if run else None,
    }


def _evidence(entry: Entry) -> dict[str, Any]:
    return {
        "received": utc_text(entry["received_ns"]),
        "journal_position": entry["position"],
        "ledger_entry": entry["entry_number"],
        "ruleset": entry["ruleset_id"],
        "catalog": entry["catalog_id"],
        "engine": entry["engine_version"],
        "provider_billing": entry["provider_billing"],
        "emitter_cost_usd": entry["emitter_cost_usd"],
        "prompt_hmac": entry["prompt_hmac"],
        "flags": entry["flags"],
    }
