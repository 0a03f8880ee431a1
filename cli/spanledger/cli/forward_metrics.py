"""What the entries that were sent on add up to, per tenant, model and agent, as OTLP metrics that only ever continue.

Totals are exact integers, kept beside the cursor; a point is made of them at the last moment. Net figures can fall, for a correction takes
back what was booked, so they are sums that are not monotonic (an UpDownCounter's); what was added and what was taken back are told
apart, each of which only grows (a Counter's), for backends that take rates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from decimal import Decimal
from typing import Final, NamedTuple

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric, NumberDataPoint, Sum

from spanledger.cli.forward_logs import our_resource, our_scope
from spanledger.enrich.events import CostEvent
from spanledger.enrich.money import text_from_atto
from spanledger.store.forwarding import Series, Totals

LABELS: Final = ("spanledger.tenant_id", "gen_ai.provider.name", "gen_ai.response.model", "gen_ai.agent.name", "spanledger.cost_surface")
OTHER: Final = "__other__"
OVERFLOW: Final[Series] = (OTHER,) * len(LABELS)
TOKEN_TYPE: Final = "spanledger.token_type"  # noqa: S105 - the name of a label
_POINTS_MAX: Final = 5_000


class _Figure(NamedTuple):
    """A metric: which totals it is made of, by the value of the extra label where there is one."""

    name: str
    unit: str
    is_monotonic: bool
    text: str
    totals: Mapping[str, str]


_TOKENS: Final = ("input", "cache_read", "cache_write", "output", "reasoning")
"""Disjoint: input without what was read from or written to a cache, output without reasoning. Their sum is all tokens."""


def _signed(name: str, unit: str, text: str, totals: Mapping[str, str]) -> tuple[_Figure, ...]:
    return (
        _Figure(name, unit, False, f"{text}, net of corrections.", totals),
        _Figure(f"{name}.added", unit, True, f"{text}, as booked.", {f"{key}.added": label for key, label in totals.items()}),
        _Figure(f"{name}.removed", unit, True, f"{text}, as taken back.", {f"{key}.removed": label for key, label in totals.items()}),
    )


FIGURES: Final = (
    *_signed("spanledger.cost", "USD", "Cost of the calls", {"cost": ""}),
    *_signed("spanledger.tokens", "{token}", "Tokens by disjoint type", {f"tokens.{kind}": kind for kind in _TOKENS}),
    *_signed("spanledger.calls", "{call}", "Charged calls", {"calls": ""}),
    _Figure("spanledger.calls.unpriced", "{call}", False, "Charged calls, net, that had no price when they were booked.", {"unpriced": ""}),
)
"""Every metric that is sent."""


def add_entries(totals: MutableMapping[Series, Totals], events: Iterable[CostEvent], series_max: int) -> set[Series]:
    """Add entries to the totals; the series that changed."""
    changed = set()
    for event in events:
        series: Series = (event.tenant_id, event.provider, event.response_model or event.request_model, event.agent, event.cost_surface)
        if series not in totals and len(totals) >= series_max:
            series = OVERFLOW
        mine = totals.setdefault(series, {})
        for name, amount in _amounts(event):
            mine[name] = mine.get(name, 0) + amount
            side = f"{name}.added" if amount >= 0 else f"{name}.removed"
            mine[side] = mine.get(side, 0) + abs(amount)
        changed.add(series)
    return changed


def _amounts(event: CostEvent) -> Iterator[tuple[str, int]]:
    if event.cost_usd is not None:
        yield "cost", event.cost_usd
    if event.kind == "adjustment":
        return  # it changes amounts only, and repeats no counts
    sign = -1 if event.kind == "reversal" else 1
    if event.split_index == 0:  # a call that several payers share is one
        yield "calls", sign
        if event.price_state == "unpriced":
            yield "unpriced", sign
    read, written, reasoning = event.cache_read_tokens or 0, event.cache_write_tokens or 0, event.reasoning_tokens or 0
    counts = ((event.input_tokens or 0) - read - written, read, written, (event.output_tokens or 0) - reasoning, reasoning)
    for kind, count in zip(_TOKENS, counts, strict=True):
        if count:
            yield f"tokens.{kind}", count


def metrics_requests(totals: Mapping[Series, Totals], since_ns: int, now_ns: int) -> Iterator[ExportMetricsServiceRequest]:
    """The totals as cumulative sums that began at `since_ns`, a bounded number of points a request."""
    chosen: list[tuple[Series, Totals]] = []
    for item in totals.items():
        chosen.append(item)
        if len(chosen) * len(FIGURES) >= _POINTS_MAX:
            yield _request(chosen, since_ns, now_ns)
            chosen = []
    if chosen:
        yield _request(chosen, since_ns, now_ns)


def _request(chosen: list[tuple[Series, Totals]], since_ns: int, now_ns: int) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    scope_metrics = request.resource_metrics.add(resource=our_resource()).scope_metrics.add(scope=our_scope())
    for figure in FIGURES:
        points = [
            _point(figure, series, label, totals[name], since_ns, now_ns)
            for series, totals in chosen
            for name, label in figure.totals.items()
            if name in totals
        ]
        if points:
            temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
            data = Sum(data_points=points, aggregation_temporality=temporality, is_monotonic=figure.is_monotonic)
            scope_metrics.metrics.append(Metric(name=figure.name, unit=figure.unit, description=figure.text, sum=data))
    return request


def _point(figure: _Figure, series: Series, label: str, total: int, since_ns: int, now_ns: int) -> NumberDataPoint:
    labels = [
        KeyValue(key=name, value=AnyValue(string_value=value)) for name, value in zip(LABELS, series, strict=True) if value is not None
    ]
    if label:
        labels.append(KeyValue(key=TOKEN_TYPE, value=AnyValue(string_value=label)))
    point = NumberDataPoint(attributes=labels, start_time_unix_nano=since_ns, time_unix_nano=now_ns)
    if figure.unit == "USD":
        point.as_double = float(Decimal(text_from_atto(total)))  # the nearest a point can carry; log records have every digit
    else:
        point.as_int = total
    return point
