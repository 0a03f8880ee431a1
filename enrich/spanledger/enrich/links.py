"""Keys that let two spans of one provider call find each other across traces, in memory and in the ledger.

A link key only nominates: `settle` decides by comparing the spans. False hits cost a look-up, never money.
"""

from __future__ import annotations

from typing import Final

import xxhash

from spanledger.enrich.records import Reading

TWIN_BUCKET_NS: Final = 60_000_000_000
"""Two detached spans of one call start within this time of each other; see `tellers`."""

_hash = xxhash.xxh3_64_intdigest


def response_key(reading: Reading) -> int | None:
    """The key of the provider's response id within the authority, or None where the span has no authentic one."""
    call = reading.call
    if call is None or call.response_id is None or not call.response_id_unique or reading.kind != "inference":
        return None
    return _hash(f"r\0{reading.authority}\0{call.response_id}".encode())


def twin_key(reading: Reading, bucket_offset: int = 0) -> int | None:
    """The key of (authority, service, input, output, minute of start) of a measured call; None for anything else.

    `bucket_offset` -1 or 1 gives the key a twin would have that started in the minute before or after.
    """
    call = reading.call
    if call is None or call.usage is None or reading.kind != "inference":
        return None
    usage = call.usage
    if not usage.input_tokens and not usage.output_tokens:
        return None
    bucket = reading.start_ns // TWIN_BUCKET_NS + bucket_offset
    return _hash(
        f"t\0{reading.authority}\0{reading.resource.service}\0{usage.input_tokens or 0}\0{usage.output_tokens or 0}\0{bucket}".encode()
    )


def link_keys(reading: Reading) -> tuple[int, ...]:
    """The keys under which a span is stored and found: none, one or both of its response key and twin key (uint64)."""
    if reading.kind != "inference":
        return ()
    response, twin = response_key(reading), twin_key(reading)
    if response is None:
        return () if twin is None else (twin,)
    return (response,) if twin is None else (response, twin)


def probe_keys(reading: Reading) -> tuple[int, ...]:
    """The keys to look for when a span arrives: its own and those of twins that started in a neighbouring minute."""
    keys = link_keys(reading)
    if not keys:
        return ()
    before, after = twin_key(reading, -1), twin_key(reading, 1)
    return keys if before is None or after is None else (*keys, before, after)
