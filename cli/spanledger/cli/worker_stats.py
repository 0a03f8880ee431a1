"""What a worker has done since it started, and how far behind it is: what its server shows in metrics and health."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple, Self

from spanledger.enrich.events import CostEvent

COMMIT_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds of the histogram of commits."""


class Stats(NamedTuple):
    """Counts since the start, and where the worker stands now."""

    position: int = 0
    committed_position: int = 0
    open_position: int = 0
    lag_bytes: int = 0
    spans: int = 0
    events: int = 0
    quarantined: int = 0
    unpriced: int = 0
    unattributed: int = 0
    commits: int = 0
    commit_seconds: float = 0.0
    commit_seconds_sum: float = 0.0
    commit_counts: Sequence[int] = (0,) * (len(COMMIT_SECONDS) + 1)
    failures: int = 0
    open_traces: int = 0
    ledger_files: int = 0
    files_to_compact: int = 0

    def with_commit(self, events: Sequence[CostEvent], seconds: float) -> Self:
        """One commit more, of these events, which took so long."""
        charges = [event for event in events if event.kind == "charge"]
        counts, at = self.commit_counts, bisect_left(COMMIT_SECONDS, seconds)
        return self._replace(
            events=self.events + len(events),
            unpriced=self.unpriced + sum(event.price_state == "unpriced" for event in charges),
            unattributed=self.unattributed + sum(event.tenant_id is None for event in charges),
            commits=self.commits + 1,
            commit_seconds=seconds,
            commit_seconds_sum=self.commit_seconds_sum + seconds,
            commit_counts=[*counts[:at], counts[at] + 1, *counts[at + 1 :]],
        )
