"""Shared work: one call's counts and money split among tenants by weight, so that the parts sum exactly to the whole."""

from __future__ import annotations

from collections.abc import Sequence

from spanledger.enrich.events import TOKEN_COUNTS, CostEvent, Line


def largest_remainder(whole: int, weights: Sequence[int]) -> list[int]:
    """`whole` in integer parts proportional to positive integer `weights`; the parts sum to it exactly.

    Every part gets its floor; what is left goes one by one to the largest remainders, the earlier part first in a tie.
    Raises ValueError for no weights or a weight that is not positive.
    """
    if not weights or min(weights) <= 0:
        raise ValueError(f"weights must be positive integers, got {list(weights)}")
    total = sum(weights)
    sign = -1 if whole < 0 else 1
    parts, remainders = [], []
    for n, weight in enumerate(weights):
        part, rest = divmod(abs(whole) * weight, total)
        parts.append(part)
        remainders.append((-rest, n))
    for _, n in sorted(remainders)[: abs(whole) - sum(parts)]:
        parts[n] += 1
    return [sign * part for part in parts]


def split_event(
    event: CostEvent, allocation: Sequence[tuple[str, int]], customer_prices: Sequence[int | None] | None = None
) -> list[CostEvent]:
    """One event a tenant of `allocation` ((tenant, weight) pairs): counts, lines and money sum to those of `event`.

    `customer_prices` is what the whole would cost each tenant as a customer (by default the event's own): each pays its share of its own.
    """
    weights = [weight for _, weight in allocation]
    total = sum(weights)
    counts = {name: _parts(getattr(event, name), weights) for name in TOKEN_COUNTS}
    usage = [(unit, largest_remainder(count, weights)) for unit, count in event.usage]
    lines = [(line, largest_remainder(line.quantity, weights), largest_remainder(line.cost_usd, weights)) for line in event.lines]
    emitter = _parts(event.emitter_cost_usd, weights)
    listed = None if event.list_cost_usd == event.cost_usd else _parts(event.list_cost_usd, weights)
    prices = customer_prices or [event.customer_price_usd] * len(weights)
    out = []
    for n, (tenant, weight) in enumerate(allocation):
        part_lines = tuple(
            Line(line.unit, quantities[n], line.rate_id, line.amount, line.per, costs[n]) for line, quantities, costs in lines
        )
        cost = sum(line.cost_usd for line in part_lines) if event.cost_usd is not None else None
        out.append(
            event._replace(
                tenant_id=tenant,
                tenant_source="allocation",
                split_index=event.split_index + n,
                split_weight=f"{weight}/{total}",
                lines=part_lines,
                list_cost_usd=cost if listed is None else listed[n],
                contracted_cost_usd=None if event.contracted_cost_usd is None else cost,
                cost_usd=cost,
                customer_price_usd=_parts(prices[n], weights)[n],
                usage=tuple((unit, parts[n]) for unit, parts in usage),
                emitter_cost_usd=emitter[n],
                **{name: parts[n] for name, parts in counts.items()},  # type: ignore[arg-type]  # every count field is int | None
            )
        )
    return out


def _parts(whole: int | None, weights: Sequence[int]) -> Sequence[int | None]:
    return [None] * len(weights) if whole is None else largest_remainder(whole, weights)
