"""Payers along a trace: what a span does not say itself it takes from its resource, then from the spans above it."""

from __future__ import annotations

from collections.abc import Sequence

from spanledger.enrich.records import NOBODY, Payers, Reading


def lend_payers(own: Payers, other: Payers) -> Payers:
    """`own` with every field it lacks taken from `other`; an allocation counts as saying who pays, like a tenant."""
    if other is NOBODY or own is other:
        return own
    if own is NOBODY:
        return other
    own_pays = own.tenant is not None or bool(own.allocation)
    merged = Payers(
        own.tenant if own_pays else other.tenant,
        own.user or other.user,
        own.session or other.session,
        own.workflow or other.workflow,
        own.agent or other.agent,
        own.feature or other.feature,
        own.environment or other.environment,
        own.initiator or other.initiator,
        own.allocation if own_pays else other.allocation,
        own.sources,
    )
    return own if merged == own else merged


def own_payers(reading: Reading) -> Payers:
    """What a span says itself or through its resource."""
    return lend_payers(reading.payers, reading.resource.payers)


class Inheritance:
    """Effective payers of the spans of some traces, worked out once each. `up[i]` is the parent's index or -1."""

    def __init__(self, nodes: Sequence[Reading], up: Sequence[int]) -> None:
        self._nodes, self._up = nodes, up
        self._known: dict[int, Payers] = {}

    def of(self, i: int) -> Payers:
        """Payers of span `i`: own, resource, then the nearest ancestor that says each field. Parent cycles end quietly."""
        known = self._known.get(i)
        if known is not None:
            return known
        path: list[int] = []
        seen: set[int] = set()
        at, base = i, NOBODY
        while at >= 0 and at not in seen:
            found = self._known.get(at)
            if found is not None:
                base = found
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
        if tenant is None:
            return None
        at, first, seen = i, True, 0
        while at >= 0 and seen <= len(self._nodes):
            reading = self._nodes[at]
            for payers, prefix in ((reading.payers, "span"), (reading.resource.payers, "resource")):
                if payers.tenant == tenant:
                    source = dict(payers.sources).get("tenant", prefix)
                    return source if first else f"ancestor:{source.partition(':')[2] or source}"
            at, first, seen = self._up[at], False, seen + 1
        return None
