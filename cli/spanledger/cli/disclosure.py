"""What a page may say to whom: of other tenants nothing, and to a customer nothing of what the calls cost us.

Both work by what is let through and not by what is held back, so whatever is added to a document later stays inside until somebody
decides otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_IDENTITY = (
    *("operation", "provider", "request_model", "response_model", "service_tier", "status", "start", "duration_ms"),
    *("response_id", "trace_id", "span_id"),
)
_PAYER = ("tenant", "share", "user", "session", "workflow", "agent", "feature", "environment")
_PART = ("event_id", "tenant", "share", "customer_price_usd", "billable", "customer_note")
_LINE = ("unit", "quantity", "amount", "per", "customer_price_usd", "arithmetic", "agreed", "effective_from", "effective_to")
_BOOKED = ("booked", "kind", "event_id", "ref_event_id", "customer_price_usd", "reason", "proof")
_EVIDENCE = ("received", "prompt_hmac", "proof")
_TOTALS = (
    *("calls", "entries", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"),
    *("customer_price_usd", "without_customer_price"),
)
_ROW = ("provider", "model", *_TOTALS)
_TOP = ("explanation", "kind", "start", "event_id", "model", "input_tokens", "output_tokens", "customer_price_usd")
_BOOKED_SUM = ("kind", "reason", "entries", "customer_price_usd")


def of_tenant(history: Sequence[Mapping[str, Any]], tenants: Sequence[str | None]) -> list[Mapping[str, Any]]:
    """The entries of a call that are these payers'; what a key's tenant overrode, which may be another's name, is left out of them."""
    return [{**entry, "claimed_tenant_id": None} for entry in history if entry["tenant_id"] in tenants]


def for_customer(document: Mapping[str, Any]) -> dict[str, Any]:
    """The explanation of a charge as its customer may see it: what was used and what he is charged for it."""
    price = document["price"]
    own = {entry["event_id"] for entry in document["history"]}
    history = [_only(entry, _BOOKED) for entry in document["history"]]
    return {
        "charged": document["charged"],
        "identity": _only(document["identity"], _IDENTITY),
        "payers": [_only(payer, _PAYER) for payer in document["payers"]],
        "usage": document["usage"],
        "price": {"parts": [_part(part) for part in price["parts"]], "customer_price_usd": price.get("customer_price_usd")},
        "suppressed": [_only(span, ("span_id",)) for span in document["suppressed"]],
        "history": [{**entry, "ref_event_id": entry["ref_event_id"] if entry["ref_event_id"] in own else None} for entry in history],
        "evidence": _only(document["evidence"], _EVIDENCE),
    }


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    return {**_only(part, _PART), "customer_lines": [_only(line, _LINE) for line in part.get("customer_lines", ())]}


def cell_for_customer(document: Mapping[str, Any]) -> dict[str, Any]:
    """A taken-apart report cell as its customer may see it."""
    return {
        "asked": document["asked"],
        "totals": _only(document["totals"], _TOTALS),
        "models": [_only(row, _ROW) for row in document["models"]],
        "booked": [_only(row, _BOOKED_SUM) for row in document["booked"]],
        "top": [_only(entry, _TOP) for entry in document["top"]],
        "rest": _only(document["rest"], ("entries", "customer_price_usd")),
        "explanations": [for_customer(each) for each in document["explanations"]],
    }


def _only(fields: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: fields[name] for name in names if name in fields}
