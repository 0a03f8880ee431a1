"""Rates as agreed: a resolution over another one, with a company's fixed rates and percentages in the place of what they are for.

Contracts stand on the list prices and leave alone what they do not speak of; customers' terms stand on both, and what no term of theirs
speaks of has no price for them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from spanledger.enrich.agreements import Fixed, Item, Standing
from spanledger.enrich.plans import Level, Plan, UnitRate, edges_of, fits, in_window, least_input, level_of, multiplied, span_of


class Below(Protocol):
    """What rates can be agreed on top of: list prices, or other agreed ones."""

    latest: tuple[int, int, Plan]

    def plan(self, at_ns: int) -> Plan:
        """The plan that holds at a time; `latest` is then that plan with its time."""


class Matched(NamedTuple):
    """An agreement that is for a call, and how narrowly."""

    standing: Standing
    item: Item


def plan_at(resolution: Below, at_ns: int) -> Plan:
    """The plan of a time, most often the one asked for last."""
    from_ns, to_ns, plan = resolution.latest
    return plan if from_ns <= at_ns < to_ns else resolution.plan(at_ns)


class Agreed:
    """What one call key costs under the agreements that match it. `listed` and `cost` are what percentages are on, by their basis.

    `whole`: what is not agreed on keeps its rate of `cost` (contracts); else it has none (customers). `any_tier`: rates without a service
    tier hold in every tier (customers); else a standard rate says nothing of what a batch costs, as in a catalog.
    """

    def __init__(
        self, listed: Below, cost: Below, matched: Sequence[Matched], tier: str, region: str, *, whole: bool, any_tier: bool
    ) -> None:
        self._listed, self._cost = listed, cost
        self._matched = sorted(matched, key=lambda one: (one.standing, one.item.from_ns), reverse=True)
        self._tier, self._region = tier, region
        self._whole, self._any_tier = whole, any_tier
        fixed = [one for each in matched for one in each.item.fixed]
        self._windows = tuple({one.rate.window for one in fixed if one.rate.window})
        self._edges = edges_of([*((one.from_ns, one.to_ns) for one in fixed), *((each.item.from_ns, each.item.to_ns) for each in matched)])
        self._plans: dict[object, tuple[Plan, Plan, Plan]] = {}
        self.latest: tuple[int, int, Plan] = (0, 0, Plan((), None))

    def plan(self, at_ns: int) -> Plan:
        """The plan that holds at a time: that of the cost below itself, where nothing that was agreed holds then."""
        listed, cost = plan_at(self._listed, at_ns), plan_at(self._cost, at_ns)
        index = bisect_right(self._edges, at_ns)
        key = (index, tuple([window for window in self._windows if in_window(window, at_ns)]), id(listed), id(cost))
        found = self._plans.get(key)
        if found is None:
            found = self._plans[key] = (self._make(listed, cost, at_ns), listed, cost)  # held, so that their ids stay theirs
        spans = (span_of(self._edges, index, self._windows, at_ns), self._listed.latest[:2], self._cost.latest[:2])
        self.latest = (max(from_ns for from_ns, _ in spans), min(to_ns for _, to_ns in spans), found[0])
        return found[0]

    def _make(self, listed: Plan, cost: Plan, at_ns: int) -> Plan:
        items = [each for each in self._matched if each.item.from_ns <= at_ns < each.item.to_ns]
        if not items:
            return cost if self._whole else Plan((), "nothing_agreed")
        fixed = self._fixed(items, cost, at_ns)
        steps = {level.total_input_min for plan in (listed, cost) for level in plan.levels}
        steps |= {least_input(one.rate) for _, some in fixed.values() for one in some}
        levels = tuple(self._level(step, items, fixed, listed, cost) for step in sorted({0, *steps}))
        if not any(level.own for level in levels):
            return cost if cost.reason else Plan((), "nothing_agreed")
        if self._whole and not cost.reason and all(level.own == _at(cost, level.total_input_min).own for level in levels):
            return cost
        return Plan(levels, None, cost.tiered)

    def _fixed(self, items: Sequence[Matched], cost: Plan, at_ns: int) -> dict[str, tuple[Item, list[Fixed]]]:
        """For each unit with a fixed rate now: the narrowest agreement that has one, and its rates by threshold."""
        found: dict[str, tuple[Item, list[Fixed]]] = {}
        for _, item in items:
            for unit in dict.fromkeys(one.rate.unit for one in item.fixed):
                if unit in found:
                    continue
                held = [one for one in item.fixed if one.rate.unit == unit and self._holds(one, cost, at_ns)]
                if held:
                    best = max(_narrowness(one) for one in held)
                    latest: dict[tuple[int, str], Fixed] = {}
                    for one in sorted((one for one in held if _narrowness(one) == best), key=lambda one: one.from_ns):
                        latest[one.rate.threshold, one.rate.op] = one
                    found[unit] = (item, list(latest.values()))
        return found

    def _holds(self, one: Fixed, cost: Plan, at_ns: int) -> bool:
        rate = one.rate
        if not (one.from_ns <= at_ns < one.to_ns and fits(rate.context, self._tier, self._region)):
            return False
        if rate.window and not in_window(rate.window, at_ns):
            return False
        standard = not any(key == "service_tier" for key, _ in rate.context)
        return not (standard and self._tier and not self._any_tier and (cost.reason is not None or rate.unit in cost.tiered))

    def _level(self, step: int, items: Sequence[Matched], fixed: Mapping[str, tuple[Item, list[Fixed]]], listed: Plan, cost: Plan) -> Level:
        by_basis = {"list": _at(listed, step), "cost": _at(cost, step)}
        own: dict[str, UnitRate] = {}
        rounding: dict[str, tuple[int, int]] = {}
        for unit in sorted({unit for level in by_basis.values() for unit in level.own} | set(fixed)):
            factor = next((item for _, item in items if item.covers(unit) and unit in by_basis[item.basis].own), None)
            rate = self._fixed_rate(unit, fixed, step, items, factor)
            below = by_basis[factor.basis if factor else "cost"]
            if rate is None and factor is not None:
                rate = multiplied(below.own[unit], factor.factor, factor.identity)
            elif rate is None and self._whole:
                rate = below.own.get(unit)
            if rate is not None:
                own[unit] = rate
                if unit in below.rounding:
                    rounding[unit] = below.rounding[unit]
        return level_of(step, own, by_basis["cost"].not_yet - set(fixed), rounding)

    @staticmethod
    def _fixed_rate(
        unit: str, fixed: Mapping[str, tuple[Item, list[Fixed]]], step: int, items: Sequence[Matched], factor: Item | None
    ) -> UnitRate | None:
        """The fixed rate of a unit for requests of at least `step` input tokens, unless a narrower agreement has a percentage for it."""
        if unit not in fixed:
            return None
        item, some = fixed[unit]
        if factor is not None and factor is not item and _place(items, factor) < _place(items, item):
            return None
        reached = [one for one in some if least_input(one.rate) <= step]
        return max(reached, key=lambda one: least_input(one.rate)).priced if reached else None


def _place(items: Sequence[Matched], item: Item) -> int:
    return next(n for n, each in enumerate(items) if each.item is item)


def _narrowness(one: Fixed) -> tuple[int, bool]:
    return len(one.rate.context), bool(one.rate.window)


_NOTHING = level_of(0, {}, frozenset(), {})


def _at(plan: Plan, step: int) -> Level:
    """The level of a plan for requests of at least `step` input tokens; one without rates where there is none."""
    return next((level for level in reversed(plan.levels) if level.total_input_min <= step), _NOTHING)
