"""The provider calls of the ledger as what is priced: usage, names and time, whole also where tenants share a call.

For asking what other prices would make of them. Calls that no price changes are left out: those without usage, those the provider does
not bill, and what meters charge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from spanledger.enrich.meters import METERED_SPLIT
from spanledger.enrich.records import RETRIEVED_TOKENS, Call, Usage
from spanledger.store.conditions import conditions
from spanledger.store.entries import NET
from spanledger.store.ledger import Ledger
from spanledger.store.query import Range, snapshot

CallNames = tuple[str | None, str | None, str | None, str | None, str | None]
"""What a price is looked up by: provider, request model, response model, service tier, region."""

_NAMES: Final = "provider, request_model, response_model, service_tier, region"
_COUNTS: Final = tuple(Usage._fields[:7])
_COLUMNS: Final = (
    "authority, trace_id, span_id, start_ns, tenant_id, split_weight, usage_state, dialect, usage_basis, customer_billable,"
    f" {_NAMES}, {', '.join(_COUNTS)}, usage"
)
_PRICED: Final = (
    f"kind IN ('charge', 'reversal') AND usage_state <> 'missing' AND provider_billing <> 'not_billed' AND split_index < {METERED_SPLIT}"
)
_BATCH: Final = 5_000


class StoredCall(NamedTuple):
    """A call with who pays it: (tenant, weight) of each, in the order of the parts; one of weight 1 where it is not shared."""

    authority: str
    call: Call
    start_ns: int
    payers: tuple[tuple[str | None, int], ...]
    customer_billable: bool


def names_of_calls(ledger: Ledger, window: Range) -> dict[CallNames, int]:
    """Everything that calls of a window were named, with how many rows are to be priced by it."""
    where = conditions(window)
    sql = f"SELECT {_NAMES}, count(*) FROM entries WHERE {where.sql} AND {_PRICED} AND kind = 'charge' GROUP BY ALL"  # noqa: S608 - our own text
    with snapshot(ledger, window) as connection:
        return {(row[0], row[1], row[2], row[3], row[4]): row[5] for row in connection.execute(sql, where.values).fetchall()}


def stored_calls(ledger: Ledger, window: Range, names: Iterable[CallNames]) -> Iterator[StoredCall]:
    """The calls that started in a window and are named one of these, as they are charged now."""
    wanted = [list(each) for each in names]
    if not wanted:
        return
    where = conditions(window)
    with snapshot(ledger, window) as connection:
        connection.execute("CREATE TEMP TABLE named (p VARCHAR, q VARCHAR, r VARCHAR, t VARCHAR, g VARCHAR)")
        connection.executemany("INSERT INTO named VALUES (?, ?, ?, ?, ?)", wanted)
        match = " AND ".join(f"{mine} IS NOT DISTINCT FROM {theirs}" for mine, theirs in zip(_NAMES.split(", "), "pqrtg", strict=True))
        chosen = f"(SELECT * FROM entries SEMI JOIN named ON {match} WHERE {where.sql} AND {_PRICED})"  # noqa: S608 - our own text
        net = f"SELECT {_COLUMNS} FROM ({NET.format(source=chosen)}) WHERE split_weight IS "  # noqa: S608 - as above
        cursor = connection.execute(f"{net} NULL", where.values)
        while batch := cursor.fetchmany(_BATCH):
            for row in batch:
                yield _whole([row])
        shared = connection.execute(f"{net} NOT NULL ORDER BY authority, trace_id, span_id, split_index", where.values).fetchall()
    for _, parts in groupby(shared, key=lambda row: row[:3]):
        yield _whole(list(parts))


def _whole(parts: Sequence[tuple[Any, ...]]) -> StoredCall:
    """The call of a row, or of the rows that share it: their counts add up to the call's own."""
    authority, _, _, start_ns, _, _, usage_state, dialect, basis, billable, provider, request, response, tier, region = parts[0][:15]
    counts = [sum(found) if (found := [row[n] for row in parts if row[n] is not None]) else None for n in range(15, 15 + len(_COUNTS))]
    extra: dict[str, int] = {}
    for row in parts:
        for item in row[-1] or ():
            if item["unit"] == RETRIEVED_TOKENS:
                continue  # an estimate, of which no price is made
            extra[item["unit"]] = extra.get(item["unit"], 0) + item["quantity"]
    call = Call(
        dialect,
        basis,
        provider,
        request,
        response,
        service_tier=tier,
        region=region,
        usage=Usage._make([*counts, tuple(sorted(extra.items()))]),
        usage_state=usage_state,
    )
    payers = tuple((row[4], int(row[5].partition("/")[0]) if row[5] else 1) for row in parts)
    return StoredCall(authority, call, start_ns, payers, billable)
