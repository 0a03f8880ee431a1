"""The names a user may group and filter by, and the one place where they become SQL: names from a fixed list, values always bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from spanledger.store.errors import QueryError
from spanledger.store.query import Range

DIMENSIONS: Final[Mapping[str, str]] = {
    "tenant": "tenant_id",
    "user": "user_id",
    "session": "session_id",
    "workflow": "workflow",
    "agent": "agent",
    "feature": "feature",
    "environment": "environment",
    "service": "service",
    "provider": "provider",
    "model": "coalesce(response_model, request_model)",
    "operation": "operation",
    "surface": "cost_surface",
    "tier": "service_tier",
    "region": "region",
    "tool": "tool_name",
    "initiator": "initiator",
    "authority": "authority",
    "dialect": "dialect",
    "catalog": "catalog_id",
    "usage_state": "usage_state",
    "price_state": "price_state",
    "price_reason": "price_reason",
    "kind": "kind",
    "reason": "reason",
    "run": "run_id",
}
"""What a report can be by, and the expression over `entries` for it."""

_ALIASES: Final[Mapping[str, str]] = {
    "cost_surface": "surface",
    "service_tier": "tier",
    "env": "environment",
    "hourly": "hour",
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
}
"""Other names that people type, with underscores and without a plural: those of columns, and what they group by."""

TIME_UNITS: Final = ("hour", "day", "week", "month")

Basis = Literal["start", "booked"]
"""Whose time a window and units of time go by: when calls started, or when entries were booked."""

BASIS_TIME: Final[Mapping[Basis, str]] = {"start": "start_ns", "booked": "booked_ns"}

Filters = Mapping[str, str | Sequence[str | None] | None]
"""Dimension → the value it must have, or one of some values; None is "unattributed"."""

NO_FILTERS: Filters = {}


def dimension(name: str) -> str:
    """The name of a dimension that is given in another case, with hyphens, as a plural or as its column; any other name as it is."""
    if name in DIMENSIONS or name in TIME_UNITS or "." in name:
        return name
    plain = name.strip().lower().replace("-", "_")
    forms = [plain, plain[:-3] + "y" if plain.endswith("ies") else plain, plain.removesuffix("s")]
    for form in (*forms, *(each.removesuffix(suffix) for each in forms for suffix in ("_id", "_name"))):
        known = _ALIASES.get(form, form)
        if known in DIMENSIONS or known in TIME_UNITS:
            return known
    return name


class Conditions:
    """A WHERE clause and its bound values."""

    def __init__(self) -> None:
        self._terms: list[str] = []
        self.values: dict[str, Any] = {}

    def add(self, term: str, **values: Any) -> None:
        """Add a term of our own text; `$name` in it stands for a value given by that name."""
        self._terms.append(term)
        self.values.update(values)

    @property
    def sql(self) -> str:
        """The clause; "true" where there is nothing to hold."""
        return " AND ".join(self._terms) or "true"


def conditions(
    window: Range, filters: Filters = NO_FILTERS, *, as_of_ns: int | None = None, bound: str = "filter", basis: Basis = "start"
) -> Conditions:
    """The rows of a window that pass the filters, as booked by `as_of_ns`. Raises QueryError for an unknown dimension.

    `bound` begins the names of the filters' values, for a query that has several conditions. By the `booked` basis the rows are
    those booked in the window, corrections of earlier calls among them.

    A reversal repeats all that is filtered by (but kind, reason and run), so whatever passes nets among itself.
    """
    found = Conditions()
    since, until = window
    if since is not None:
        found.add(f"{BASIS_TIME[basis]} >= $since", since=since)
    if until is not None:
        found.add(f"{BASIS_TIME[basis]} < $until", until=until)
    if as_of_ns is not None:
        found.add("booked_ns <= $as_of", as_of=as_of_ns)
    for number, (asked, wanted) in enumerate(filters.items()):
        name = dimension(asked)
        if name not in DIMENSIONS:
            raise QueryError(f"cannot filter by {asked!r}; there are {', '.join(DIMENSIONS)}")
        _add_filter(found, DIMENSIONS[name], wanted, f"{bound}_{number}")
    return found


def _add_filter(found: Conditions, expression: str, wanted: str | Sequence[str | None] | None, bound: str) -> None:
    values = [wanted] if wanted is None or isinstance(wanted, str) else list(wanted)
    named = [value for value in values if value is not None]
    terms = []
    if named:
        terms.append(f"list_contains(${bound}, {expression})")
        found.values[bound] = named
    if len(named) < len(values):
        terms.append(f"{expression} IS NULL")
    found.add("(" + (" OR ".join(terms) or "false") + ")")
