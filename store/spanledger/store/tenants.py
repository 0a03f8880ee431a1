"""Tenants' dated attributes (plan, tier, contract, parent, department, …): what reports group by, as it stood when a call was made.

For every tenant and attribute the ledger keeps half-open intervals of time that never overlap. `parent` names another tenant, under
which reports add up the whole family.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple, Self

from spanledger.enrich.grants import DEFAULT_AUTHORITY
from spanledger.store.errors import StoreError
from spanledger.store.metastore import Metastore
from spanledger.store.viewer import Viewer

ALWAYS_NS: Final = -(1 << 62)
ENDLESS_NS: Final = 1 << 62
PARENT: Final = "parent"
_ATTRIBUTE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_VALUE_MAX: Final = 256


class TenantFact(NamedTuple):
    """A tenant's attribute has a value from `from_ns` up to `until_ns` (nanoseconds UTC, half-open)."""

    authority: str
    tenant: str
    attribute: str
    value: str
    from_ns: int = ALWAYS_NS
    until_ns: int = ENDLESS_NS


class Change(NamedTuple):
    """A value to be set, or (None) taken away, for a time. Without `from_ns`: always where the attribute is new, else from now on."""

    tenant: str
    attribute: str
    value: str | None
    from_ns: int | None = None
    until_ns: int = ENDLESS_NS
    authority: str = DEFAULT_AUTHORITY


class Tenants:
    """The tenants' attributes in a data folder."""

    def __init__(self, metastore: Metastore) -> None:
        self._metastore = metastore

    @classmethod
    def open(cls, data_dir: Path) -> Self:
        """The attributes of a data folder, which is made if it is not there; close them after use."""
        return cls(Metastore.open(data_dir))

    def close(self) -> None:
        """Close the connection."""
        self._metastore.close()

    def change(self, changes: Iterable[Change], now_ns: int) -> int:
        """Make all of these changes, or none; what stood in the meantime they name is cut out. How many there were.

        Raises StoreError for a bad name or time, or a tenant that would be above itself.
        """
        count = 0
        with self._metastore.transaction():
            for change in changes:
                _check(change)
                self._apply(change, now_ns)
                count += 1
        return count

    def _apply(self, change: Change, now_ns: int) -> None:
        key = (change.authority, change.tenant, change.attribute)
        known = self._facts(key)
        start = change.from_ns if change.from_ns is not None else (now_ns if known else ALWAYS_NS)
        end = change.until_ns
        if end <= start:
            raise StoreError(f"{change.tenant} {change.attribute}: the time ends before it begins")
        kept = [fact._replace(until_ns=min(fact.until_ns, start)) for fact in known if fact.from_ns < start]
        kept += [fact._replace(from_ns=max(fact.from_ns, end)) for fact in known if fact.until_ns > end]
        if change.value is not None:
            if change.attribute == PARENT:
                self._refuse_circle(change)
            kept.append(TenantFact(*key, change.value, start, end))
        connection = self._metastore.connection
        connection.execute("DELETE FROM tenant_facts WHERE authority = ? AND tenant_id = ? AND attribute = ?", key)
        connection.executemany("INSERT INTO tenant_facts VALUES (?, ?, ?, ?, ?, ?)", kept)

    def _facts(self, key: tuple[str, str, str]) -> list[TenantFact]:
        rows = self._metastore.connection.execute(
            "SELECT * FROM tenant_facts WHERE authority = ? AND tenant_id = ? AND attribute = ? ORDER BY from_ns", key
        )
        return [TenantFact._make(row) for row in rows]

    def _refuse_circle(self, change: Change) -> None:
        """A tenant is never above itself, at whatever time: roll-ups need no more than that to end."""
        above, todo = set(), [change.value]
        while todo:
            at = todo.pop()
            if at == change.tenant:
                raise StoreError(f"{change.value} is below {change.tenant} (or is it), so it cannot be its parent")
            if at is not None and at not in above:
                above.add(at)
                todo += [fact.value for fact in self._facts((change.authority, at, PARENT))]

    def facts(self, tenant: str | None = None, attribute: str | None = None, *, viewer: Viewer | None = None) -> list[TenantFact]:
        """What is known of all tenants or one, by tenant, attribute and time."""
        return read_facts(self._metastore, tenant, attribute, viewer=viewer)


def read_facts(
    metastore: Metastore, tenant: str | None = None, attribute: str | None = None, *, viewer: Viewer | None = None
) -> list[TenantFact]:
    """As `Tenants.facts`, of what a viewer may see: a tenant learns what is known of itself, but not who stands above it.

    An older ledger that was never written since knows none.
    """
    if metastore.schema_version < FACTS_SINCE:
        return []
    rows = metastore.connection.execute(
        "SELECT * FROM tenant_facts WHERE tenant_id = coalesce(?, tenant_id) AND attribute = coalesce(?, attribute)"
        " ORDER BY authority, tenant_id, attribute, from_ns",
        (tenant, attribute),
    )
    facts = [TenantFact._make(row) for row in rows]
    return facts if viewer is None else [fact for fact in facts if _is_seen(fact, viewer)]


def _is_seen(fact: TenantFact, viewer: Viewer) -> bool:
    own = viewer.tenant is None or (fact.tenant == viewer.tenant and fact.attribute != PARENT)
    return own and fact.authority == viewer.authority


FACTS_SINCE: Final = 2
"""The metastore's version that brought the table."""


def _check(change: Change) -> None:
    if not _ATTRIBUTE.fullmatch(change.attribute):
        raise StoreError(f"{change.attribute!r} is no attribute name: a-z, 0-9 and _, at most 64, beginning with a letter")
    for what, text in (("tenant", change.tenant), ("value", change.value)):
        if text is not None and not 0 < len(text) <= _VALUE_MAX:
            raise StoreError(f"the {what} of a tenant's {change.attribute} has 1 to {_VALUE_MAX} characters")


def roll_up(parents: Iterable[TenantFact]) -> list[TenantFact]:
    """Of facts about parents, those about the topmost one at each time; a tenant without a parent has none."""
    above: dict[tuple[str, str], list[TenantFact]] = {}
    for fact in parents:
        above.setdefault((fact.authority, fact.tenant), []).append(fact)
    return [
        TenantFact(authority, tenant, PARENT, top, start, end)
        for (authority, tenant), facts in above.items()
        for fact in facts
        for top, start, end in _tops(above, authority, fact.value, fact.from_ns, fact.until_ns, {tenant})
    ]


def _tops(
    above: dict[tuple[str, str], list[TenantFact]], authority: str, tenant: str, start: int, end: int, seen: set[str]
) -> list[tuple[str, int, int]]:
    """Who is topmost above `tenant` (itself where nobody is) over a time, in pieces."""
    found, at = [], start
    if tenant not in seen:
        for fact in above.get((authority, tenant), ()):
            first, last = max(fact.from_ns, start), min(fact.until_ns, end)
            if first < last:
                if at < first:
                    found.append((tenant, at, first))
                found += _tops(above, authority, fact.value, first, last, seen | {tenant})
                at = last
    return [*found, (tenant, at, end)] if at < end else found
