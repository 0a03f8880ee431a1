"""One charge from span to money: gathers all the ledger knows of it into a document that text, Markdown and JSON are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Any, NamedTuple

from spanledger.cli.render import decimal_text
from spanledger.cli.times import utc_text

Entry = Mapping[str, Any]
"""A ledger entry as the store's `find` gives it: ids in hex, money as decimal text."""


class RateInfo(NamedTuple):
    """What the catalog says of a rate: where it was published and from when to when it holds."""

    source: str | None
    effective_from: str | None
    effective_to: str | None


FindRate = Callable[[str, Entry], RateInfo | None]
"""Finds a rate by its id, given the entry that was priced with it."""

_USAGE = (
    ("input_tokens", None),
    ("cache_read_tokens", "input_tokens"),
    ("cache_write_tokens", "input_tokens"),
    ("cache_write_5m_tokens", "cache_write_tokens"),
    ("cache_write_1h_tokens", "cache_write_tokens"),
    ("output_tokens", None),
    ("reasoning_tokens", "output_tokens"),
)
_HOW = {
    "key": "the API key is bound to this tenant, which beats what spans claim",
    "span": "the charged span says so",
    "resource": "the span's resource says so",
    "ancestor": "inherited from a span above it",
    "twin": "told by another span of the same call",
    "allocation": "shared work, split by the weights the span gives",
}
UNPRICED = {
    "no_usage": "the spans say nothing of what was used",
    "unknown_model": "no catalog entry fits this model at this provider",
    "not_effective_yet": "the catalog's prices for it begin later",
    "no_rate": "the catalog has no rate for this quantity",
    "no_rate_for_tier": "the catalog has no rate for this service tier",
    "count_out_of_range": "a count is negative or beyond anything a request can have",
    "parts_exceed_total": "the parts of a count exceed their total",
}
"""What each reason for having no price means; a reason may name a unit or tier after a colon."""
_REASONS = {
    "suppressed": "another span tells of the same call, so this one is not charged",
    "payer_found": "a later span said whose it is",
    "attributed": "a later span said more about who and what it was for",
    "revised": "the span came again with other content",
    "completed": "a later span completed what is known of the call",
}


def current(entries: Sequence[Entry]) -> list[Entry]:
    """The entries that no reversal has undone: what is charged now."""
    undone = {entry["ref_event_id"] for entry in entries if entry["kind"] == "reversal"}
    return [entry for entry in entries if entry["kind"] != "reversal" and entry["event_id"] not in undone]


def explain_charge(history: Sequence[Entry], spans: Mapping[str, Entry], find_rate: FindRate) -> dict[str, Any]:
    """The explanation of one span's charge: its entries in booking order, and the spans of its trace by id."""
    live = current(history)
    shown = live or [entry for entry in history if entry["kind"] == "charge"][-1:]
    entry = shown[0]
    return {
        "charged": bool(live),
        "identity": _identity(entry, spans.get(entry["span_id"])),
        "payers": [_payer(part) for part in shown],
        "usage": _usage(shown),
        "price": {"parts": [_price(part, find_rate) for part in shown], "total_usd": _total(shown)},
        "suppressed": [_suppressed(span_id, spans) for span_id in entry["suppressed_span_ids"]],
        "history": [_booked(each) for each in history],
        "evidence": _evidence(entry),
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
        "how": (_HOW.get(how, how) + (f" ({key})" if key else "")) or None,
        "share": entry["split_weight"],
        "claimed_tenant": entry["claimed_tenant_id"],
        "user": entry["user_id"],
        "session": entry["session_id"],
    }
    return said | {name: entry[name] for name in ("workflow", "agent", "feature", "environment", "initiator")}


def _usage(parts: Sequence[Entry]) -> dict[str, Any]:
    """The counts of the call; those of a shared one are its parts' together."""
    entry = parts[0]
    quantities = []
    for name, whole in _USAGE:
        counts = [part[name] for part in parts if part[name] is not None]
        if counts:
            quantities.append({"unit": name, "quantity": sum(counts), "part_of": whole})
    extra: dict[str, int] = {}
    for part in parts:
        for item in part["usage"] or ():
            extra[item["unit"]] = extra.get(item["unit"], 0) + item["quantity"]
    quantities += [{"unit": unit, "quantity": count, "part_of": None} for unit, count in extra.items()]
    return {"dialect": entry["dialect"], "rule": entry["usage_basis"], "state": entry["usage_state"], "quantities": quantities}


def _price(entry: Entry, find_rate: FindRate) -> dict[str, Any]:
    reason = entry["price_reason"] or ""
    return {
        "event_id": entry["event_id"],
        "tenant": entry["tenant_id"],
        "state": entry["price_state"],
        "reason": unpriced_text(reason) or None,
        "lines": [_line(line, find_rate(line["rate_id"], entry)) for line in entry["lines"] or ()],
        "cost_usd": entry["cost_usd"],
    }


def unpriced_text(reason: str) -> str:
    """A reason for having no price, with what it means."""
    meaning = UNPRICED.get(reason.partition(":")[0])
    return f"{reason} ({meaning})" if meaning else reason


def _line(line: Entry, rate: RateInfo | None) -> dict[str, Any]:
    return {
        **line,
        "source": rate.source if rate else None,
        "effective_from": rate.effective_from if rate else None,
        "effective_to": rate.effective_to if rate else None,
        "arithmetic": f"{line['quantity']:,} * {line['amount']} / {line['per']:,} = {line['cost_usd']}",
    }


def _total(entries: Iterable[Entry]) -> str | None:
    costs = [entry["cost_usd"] for entry in entries]
    if any(cost is None for cost in costs):
        return None
    with localcontext(prec=76):
        return decimal_text(sum((Decimal(cost) for cost in costs), Decimal()))


def _suppressed(span_id: str, spans: Mapping[str, Entry]) -> dict[str, Any]:
    """A span that told of the same call: «span», or «trace:span» where it is in another trace."""
    span = spans.get(span_id.rpartition(":")[2])
    told = {"span_id": span_id}
    if span is None:
        return told
    told |= {name: span[name] for name in ("scope", "operation", "input_tokens", "output_tokens")}
    return told | {"model": span["response_model"] or span["request_model"]}


def _booked(entry: Entry) -> dict[str, Any]:
    reason = entry["reason"] or ""
    return {
        "booked": utc_text(entry["booked_ns"]),
        "kind": entry["kind"],
        "event_id": entry["event_id"],
        "ref_event_id": entry["ref_event_id"],
        "tenant": entry["tenant_id"],
        "cost_usd": entry["cost_usd"],
        "reason": f"{reason}: {_REASONS[reason]}" if reason in _REASONS else (reason or None),
    }


def _evidence(entry: Entry) -> dict[str, Any]:
    return {
        "received": utc_text(entry["received_ns"]),
        "journal_position": entry["position"],
        "ruleset": entry["ruleset_id"],
        "catalog": entry["catalog_id"],
        "engine": entry["engine_version"],
        "provider_billing": entry["provider_billing"],
        "emitter_cost_usd": entry["emitter_cost_usd"],
        "prompt_hmac": entry["prompt_hmac"],
        "flags": entry["flags"],
    }
