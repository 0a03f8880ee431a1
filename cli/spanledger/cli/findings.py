"""What keeps a bill from being complete, as queries over the net ledger, each with what to do about it."""

from __future__ import annotations

from typing import Final, NamedTuple


class Check(NamedTuple):
    """One kind of finding: which current entries have it, what to show of them (`about` of each, `together` of all alike), the remedy."""

    name: str
    where: str
    about: str
    fix: str
    together: str = "''"


_MODEL: Final = "concat_ws(' ', provider, coalesce(response_model, request_model))"
_PLAIN: Final = "rtrim(rtrim(CAST({} AS VARCHAR), '0'), '.')"
_COSTS: Final = f"concat(': reported ', {_PLAIN.format('sum(emitter_cost_usd)')}, ', ours ', {_PLAIN.format('sum(cost_usd)')})"
_CALLER: Final = "concat_ws(' ', 'service', coalesce(service, '?'), '/', dialect)"

CHECKS: Final[tuple[Check, ...]] = (
    Check(
        "unmetered",
        "usage_state = 'missing' AND status = 'ok'",
        f"concat_ws(' ', {_MODEL}, '/', dialect)",
        "the spans carry no usage: for streams ask for it (OpenAI: stream_options.include_usage), or update the instrumentation",
    ),
    Check(
        "unpriced",
        "price_state = 'unpriced' AND usage_state <> 'missing'",
        f"concat_ws(' ', {_MODEL}, '/', price_reason)",
        "see `spanledger prices models TEXT` for how catalogs name it; the usage is kept: import a price or an alias, then `reprice`",
    ),
    Check(
        "unattributed",
        "tenant_id IS NULL",
        _CALLER,
        "set tenant.id on the root span or the resource, name your own attribute in [enrich.payers], or bind an API key to the tenant",
    ),
    Check(
        "estimated",
        "usage_state = 'estimated'",
        f"concat_ws(' ', {_MODEL}, '/', dialect)",
        "the emitter guessed the counts: prefer one that passes on the provider's",
    ),
    Check(
        "partial",
        "usage_state = 'partial'",
        f"concat_ws(' ', {_MODEL}, '/', dialect)",
        "only a part of the counts was told: update the instrumentation",
    ),
    Check(
        "aggregate",
        "usage_state = 'aggregate'",
        f"concat_ws(' ', {_MODEL}, '/', dialect)",
        "charged from an outer span's sum, since the calls below tell nothing: instrument the provider's client too",
    ),
    Check(
        "claimed",
        "claimed_tenant_id IS NOT NULL",
        "concat_ws(' ', 'key of', tenant_id)",
        "spans claim another tenant than their key's; the key's is charged: correct the application, or use a key without tenant",
    ),
    Check(
        "cost_differs",
        "abs(emitter_cost_usd - cost_usd) * 100 > cost_usd",
        f"concat_ws(' ', {_MODEL}, '/', dialect)",
        "the emitter reports another cost than the catalog gives: compare `spanledger explain` with the emitter's prices",
        _COSTS,
    ),
    Check(
        "far_dated",
        "event_date IN (DATE '1970-01-01', DATE '9999-12-31')",
        _CALLER,
        "the spans are dated far from when they came: check that host's clock",
    ),
)
"""The order of the report. `where` and `about` are SQL over the current entries, all of it our own text."""

QUARANTINED: Final = {
    "bad_id": "a trace, span or parent id that is none",
    "bad_time": "a time beyond the year 2262, read as that",
    "malformed_span": "a span that is no valid protobuf",
    "malformed_request": "a request that is no valid protobuf",
    "reader_failed": "a fault of ours: please report it",
    "journal_damaged": "bytes of the journal have changed on the disk: restore the segment from a backup and replay it",
}
"""What the codes in the quarantine file mean."""

FLAGGED_FIX: Final = "`spanledger explain` on the example shows what does not add up"
QUARANTINED_FIX: Final = "not read as sent, and only those with a bad time are in the ledger; the journal keeps all: fix the emitter"
BEHIND_FIX: Final = "received spans wait to be booked: start `spanledger serve` on this folder, or look into its log"

NAMES: Final = (*(check.name for check in CHECKS), "flagged", "quarantined", "behind")
