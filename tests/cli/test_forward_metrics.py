"""Totals as metrics: exact sums, net ones that may fall beside parts that only grow, and a bound on how many series there are."""

from __future__ import annotations

from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from spanledger.cli.forward_metrics import FIGURES, LABELS, OTHER, add_entries, metrics_requests
from spanledger.store.forwarding import Series, Totals
from tests.cli.otlp_sink import attributes
from tests.store.samples import event

CENT = 10**16


def points(totals: dict[Series, Totals], name: str) -> list[tuple[dict[str, str], float | int]]:
    found = [
        metric
        for request in metrics_requests(totals, 100, 200)
        for each in request.resource_metrics
        for scope in each.scope_metrics
        for metric in scope.metrics
        if metric.name == name
    ]
    for metric in found:
        assert metric.sum.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        assert metric.sum.is_monotonic is name.endswith((".added", ".removed"))
        assert {(point.start_time_unix_nano, point.time_unix_nano) for point in metric.sum.data_points} == {(100, 200)}
    return [(attributes(point), getattr(point, point.WhichOneof("value"))) for metric in found for point in metric.sum.data_points]


def test_a_correction_lowers_the_net_and_grows_what_was_taken_back() -> None:
    totals: dict[Series, Totals] = {}
    charge = event(1, cost_usd=3 * CENT, cache_read_tokens=400, reasoning_tokens=250)  # 1,000 in, 1,000 out
    undone = charge._replace(
        kind="reversal", cost_usd=-3 * CENT, input_tokens=-1000, output_tokens=-1000, cache_read_tokens=-400, reasoning_tokens=-250
    )
    changed = add_entries(totals, [charge, undone, charge._replace(tenant_id="globex")], 100)
    assert len(changed) == 2
    acme = ("acme", "openai", "gpt-4o-2024-08-06", "support", "inference")
    labels = dict(zip(LABELS, acme, strict=True))
    assert points({acme: totals[acme]}, "spanledger.cost") == [(labels, 0.0)]
    assert points({acme: totals[acme]}, "spanledger.cost.added") == [(labels, 0.03)]
    assert points({acme: totals[acme]}, "spanledger.cost.removed") == [(labels, 0.03)]
    globex = {series: each for series, each in totals.items() if series[0] == "globex"}
    tokens = {told["spanledger.token_type"]: count for told, count in points(globex, "spanledger.tokens")}
    assert tokens == {"input": 600, "cache_read": 400, "output": 750, "reasoning": 250}  # disjoint: 2,000 in all
    assert [value for _, value in points(globex, "spanledger.calls")] == [1]


def test_a_shared_call_is_one_and_an_adjustment_none() -> None:
    totals: dict[Series, Totals] = {}
    parts = [event(1, split_index=n, split_weight="1/2", tenant_id=f"t{n}", cost_usd=CENT) for n in (0, 1)]
    repriced = event(2, kind="adjustment", tenant_id="t0", cost_usd=CENT, input_tokens=None, output_tokens=None)
    add_entries(totals, [*parts, repriced], 100)
    assert sum(value for _, value in points(totals, "spanledger.calls")) == 1
    assert sorted(value for _, value in points(totals, "spanledger.cost")) == [0.01, 0.02]


def test_unpriced_calls_are_counted_and_cost_nothing() -> None:
    totals: dict[Series, Totals] = {}
    add_entries(totals, [event(1, cost_usd=None, price_state="unpriced")], 100)
    assert points(totals, "spanledger.cost") == []
    assert [value for _, value in points(totals, "spanledger.calls.unpriced")] == [1]


def test_beyond_a_bound_new_series_are_counted_together_and_nothing_is_lost() -> None:
    totals: dict[Series, Totals] = {}
    add_entries(totals, [event(n, tenant_id=f"t{n}", cost_usd=CENT) for n in range(50)], 10)
    assert len(totals) == 11
    assert sum(each["cost"] for each in totals.values()) == 50 * CENT
    assert totals[(OTHER,) * len(LABELS)]["cost"] == 40 * CENT


def test_many_series_are_sent_in_requests_of_a_bounded_size() -> None:
    totals: dict[Series, Totals] = {}
    add_entries(totals, [event(n, tenant_id=f"t{n}", cost_usd=CENT) for n in range(1200)], 10_000)
    assert len(list(metrics_requests(totals, 1, 2))) == 3  # 5,000 points at most, up to 10 a series
    assert len(points(totals, "spanledger.cost")) == 1200
    assert list(metrics_requests({}, 1, 2)) == []
    assert len({figure.name for figure in FIGURES}) == len(FIGURES)
