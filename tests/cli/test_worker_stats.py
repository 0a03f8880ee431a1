"""What a worker says of itself adds up over its commits."""

from __future__ import annotations

import pytest

from spanledger.cli.worker_stats import COMMIT_SECONDS, Stats
from spanledger.enrich.book import reversal
from tests.store.samples import NOON, event


def test_commits_add_up() -> None:
    unpriced = event(2, price_state="unpriced", cost_usd=None, tenant_id=None)
    stats = Stats(spans=7).with_commit([event(1), unpriced], 0.02).with_commit([reversal(unpriced, "payer_found", NOON)], 0.7)
    assert (stats.events, stats.unpriced, stats.unattributed) == (3, 1, 1), "what is taken back is no charge"
    assert (stats.commits, stats.commit_seconds, stats.spans) == (2, 0.7, 7)
    assert stats.commit_seconds_sum == pytest.approx(0.72)


@pytest.mark.parametrize(("seconds", "at"), [(0.0, 0), (0.01, 0), (0.011, 1), (10.0, 9), (11.0, 10)])
def test_a_commit_counts_under_the_first_bound_that_it_is_not_above(seconds: float, at: int) -> None:
    counts = Stats().with_commit([], seconds).commit_counts
    assert [n for n, count in enumerate(counts) if count] == [at]
    assert len(counts) == len(COMMIT_SECONDS) + 1
