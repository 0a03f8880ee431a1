"""A settled call before it has a price: what settlement hands to booking."""

from __future__ import annotations

from typing import Final, NamedTuple

from spanledger.enrich.records import Call, Payers, Reading, UsageState

RETRIEVED: Final = frozenset({"embeddings", "rerank"})
"""Operations that belong to memory retrieval where a retrieval makes them."""


class Charge(NamedTuple):
    """One call to be charged, before its price.

    `reading` is the span it is booked on, `call` what all its tellers say together, `payers` who it is for as the spans
    say it (the key's tenant is applied when it is booked). `suppressed` are the (trace id, span id) of the other tellers.
    `stands_for_others` marks an aggregate charged because nothing below it could be.
    """

    reading: Reading
    call: Call
    payers: Payers
    tenant_source: str | None
    suppressed: tuple[tuple[bytes, bytes], ...]
    cost_surface: str
    usage_state: UsageState
    stands_for_others: bool
