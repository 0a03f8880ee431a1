"""Payers along a trace: what a span does not say itself it takes from its resource, then from the spans above it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from spanledger.enrich.records import NOBODY, Payers, Reading


def lend_payers(own: Payers, other: Payers) -> Payers:
    """`own` with every field it lacks taken from `other`; an allocation counts as saying who pays, like a tenant."""
    if other is NOBODY or own is other:
        return own
    if own is NOBODY:
        return other
    tenant, user, session, workflow, agent, feature, environment, initiator, allocation, sources = own
    if tenant is None and not allocation:
        tenant, allocation = other.tenant, other.allocation
    _, their_user, their_session, their_workflow, their_agent, their_feature, their_environment, their_initiator, _, _ = other
    # a plain tuple: the generated constructor would copy the fields once more, and this runs for every call
    return tuple.__new__(Payers, (
        tenant, user or their_user, session or their_session, workflow or their_workflow, agent or their_agent,
        feature or their_feature, environment or their_environment, initiator or their_initiator, allocation, sources,
    ))  # fmt: skip


def own_payers(reading: Reading) -> Payers:
    """What a span says itself or through its resource."""
    return lend_payers(reading.payers, reading.resource.payers)


class Inheritance:
    """Effective payers of the spans of some traces, worked out once each. `up[i]` is the parent's index or -1."""

    def __init__(self, nodes: Sequence[Reading], up: Sequence[int]) -> None:
        self._nodes, self._up = nodes, up
        self._known: dict[int, Payers] = {}
        self._alike: dict[tuple[int, int, Payers], tuple[Payers, str | None]] = {}

    def payers_and_source(self, i: int) -> tuple[Payers, str | None]:
        """Payers of span `i` and where its tenant was found. Siblings of one resource that claim the same are worked out once."""
        reading = self._nodes[i]
        at = (self._up[i], id(reading[9]), reading[10])
        found = self._alike.get(at)
        if found is None:
            payers = self.of(i)
            found = self._alike[at] = (payers, self.tenant_source(i, payers.tenant))
        return found

    def of(self, i: int) -> Payers:
        """Payers of span `i`: own, resource, then the nearest ancestor that says each field. Parent cycles end quietly."""
        known = self._known.get(i)
        if known is not None:
            return known
        parent = self._up[i]
        above = self._known.get(parent)
        if above is not None:
            reading = self._nodes[i]
            found = self._known[i] = lend_payers(lend_payers(reading.payers, reading.resource.payers), above)
            return found
        path: list[int] = []
        seen: set[int] = set()
        at, base = i, NOBODY
        while at >= 0 and at not in seen:
            settled = self._known.get(at)
            if settled is not None:
                base = settled
                break
            path.append(at)
            seen.add(at)
            at = self._up[at]
        for step in reversed(path):
            base = lend_payers(own_payers(self._nodes[step]), base)
            self._known[step] = base
        return base

    def tenant_source(self, i: int, tenant: str | None) -> str | None:
        """Where the tenant of span `i` was found: "span:KEY", "resource:KEY" or "ancestor:KEY"; None where it was not."""
        return source_along(self._upwards(i), tenant)

    def _upwards(self, i: int) -> Iterator[Reading]:
        at, steps = i, 0
        while at >= 0 and steps <= len(self._nodes):
            yield self._nodes[at]
            at, steps = self._up[at], steps + 1


def source_along(way_up: Iterable[Reading], tenant: str | None) -> str | None:
    """Where a tenant was found on the way from a span to its root: "span:KEY", "resource:KEY" or "ancestor:KEY"; None where it was not."""
    if tenant is None:
        return None
    first = True
    for reading in way_up:
        for payers, prefix in ((reading.payers, "span"), (reading.resource.payers, "resource")):
            if payers.tenant == tenant:
                source = _source(payers, prefix)
                return source if first else f"ancestor:{source.partition(':')[2] or source}"
        first = False
    return None


def _source(payers: Payers, prefix: str) -> str:
    for field, said in payers.sources:
        if field == "tenant":
            return said
    return prefix
