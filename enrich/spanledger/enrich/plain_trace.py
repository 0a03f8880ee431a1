"""The short way through settlement, for the trace that nine in ten are: one teller, and no call inside another.

It gives what `settle_any` gives, in a third of the time, or None where a trace takes more than this; a property test holds the
two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from spanledger.enrich.charge import RETRIEVED, Charge
from spanledger.enrich.inherit import lend_payers, own_payers, source_along
from spanledger.enrich.merge import bears_usage
from spanledger.enrich.meters import parted
from spanledger.enrich.records import NOBODY, Payers, Reading

Spans = Mapping[bytes, Reading]


class _Above(NamedTuple):
    """What is above some siblings: the spans, nearest first, and what they hand down."""

    way_up: tuple[Reading, ...]
    payers: Payers


def plain_charges(spans: Spans) -> list[Charge] | None:
    """The charges of a trace whose calls all have usage of their own and one teller, none inside another; else None."""
    calls: list[Reading] = []
    aggregates: list[Reading] = []
    for reading in spans.values():
        if reading[11] is not None:
            (calls if reading[6] == "inference" else aggregates).append(reading)
    if not _one_teller(calls):
        return None
    charges: list[Charge] = []
    above_of: dict[bytes, _Above | None] = {}
    alike: dict[tuple[bytes, int, int], tuple[Payers, str | None]] = {}
    for reading in calls:
        parent_id = reading[3]
        if parent_id not in above_of:  # siblings share the answer
            above_of[parent_id] = _above(spans, parent_id)
        above = above_of[parent_id]
        if above is None:
            return None
        at = (parent_id, id(reading[9]), id(reading[10]))  # the reader gives equal payers as one object
        found = alike.get(at)
        if found is None:
            payers = lend_payers(own_payers(reading), above.payers)
            found = alike[at] = (payers, source_along((reading, *above.way_up), payers.tenant))
        call = reading[11]
        charges.append(tuple.__new__(Charge, (reading, call, *found, (), "inference", call[10], False)))  # type: ignore[index]  # has a call
    covered = {id(each) for above in above_of.values() if above is not None for each in above.way_up}
    for reading in aggregates:
        call = reading.call
        if call is None or call.usage is None:
            continue
        if parted(call) is not None or (id(reading) not in covered and bears_usage(call)):
            return None  # something metered, or an aggregate that may stand for silent calls
    return charges


def _one_teller(calls: list[Reading]) -> bool:
    """Whether one scope tells of all calls by one dialect, each with usage and a response id of its own, and none is a retrieval's."""
    told_by: tuple[str, str] | None = None
    ids: set[str] = set()
    for reading in calls:
        call = reading[11]
        if call is None or reading[7] in RETRIEVED:
            return False
        usage = call[9]
        if usage is None or not (usage[0] or usage[1] or bears_usage(call)):
            return False
        if told_by is None:
            told_by = (reading[8], call[0])
        elif reading[8] != told_by[0] or call[0] != told_by[1]:
            return False
        response_id = call[5]
        if response_id is not None:
            if response_id in ids:
                return False
            ids.add(response_id)
    return True


def _above(spans: Spans, parent_id: bytes) -> _Above | None:
    """What is above the children of a span; None where a call is among it, or the way up is a circle."""
    way_up: list[Reading] = []
    at = spans.get(parent_id)
    while at is not None:
        if at[6] == "inference" or len(way_up) > len(spans):
            return None
        way_up.append(at)
        at = spans.get(at[3])
    payers = NOBODY
    for reading in reversed(way_up):
        payers = lend_payers(own_payers(reading), payers)
    return _Above(tuple(way_up), payers)
