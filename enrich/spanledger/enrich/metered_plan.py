"""A plan that also counts for the user's meters: put around a reading plan only where one can match, so others read as fast as ever."""

from __future__ import annotations

from typing import Any

from spanledger.enrich import wire
from spanledger.enrich.lookups import FactMap
from spanledger.enrich.meters import Meter, SpanFacts, metered_call
from spanledger.enrich.plan import Plan
from spanledger.enrich.records import Call, Kind, Payers


class MeteredPlan:
    """Reads as its plan does, then adds the units of the first meter that matches."""

    __slots__ = ("_meters", "_plan")

    def __init__(self, plan: Plan, meters: tuple[Meter, ...]) -> None:
        self._plan, self._meters = plan, meters

    def read(self, facts: FactMap, span: Any) -> tuple[Kind, str | None, Payers, Call | None, bool]:
        """As `Plan.read`."""
        kind, operation, payers, call, failed = self._plan.read(facts, span)
        said = SpanFacts(facts, kind, operation, call, failed or wire.is_error(span.status), span)
        return kind, operation, payers, metered_call(self._meters, said), failed
