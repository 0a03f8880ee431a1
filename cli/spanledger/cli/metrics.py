"""The worker's and the folder's figures as Prometheus text, beside the receiver's on /metrics. No label, so no user's text in one."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from spanledger.cli.worker_stats import COMMIT_SECONDS, Stats
from spanledger.store.forwarding import ForwardState

_FIGURES = (
    ("worker_spans_total", "counter", "spans", "Spans read since the worker started."),
    ("worker_entries_total", "counter", "events", "Ledger entries booked since the worker started."),
    ("worker_commits_total", "counter", "commits", "Commits since the worker started."),
    ("worker_failures_total", "counter", "failures", "Commits that had to be tried again."),
    ("worker_quarantined_spans_total", "counter", "quarantined", "Spans that could not be read."),
    ("worker_unpriced_calls_total", "counter", "unpriced", "Charges booked without a price."),
    ("worker_unattributed_calls_total", "counter", "unattributed", "Charges booked without a tenant."),
    ("worker_position_bytes", "gauge", "committed_position", "The journal position that the ledger stands for."),
    ("worker_open_position_bytes", "gauge", "open_position", "The journal position up to which everything is settled."),
    ("worker_commit_seconds", "gauge", "commit_seconds", "How long the last commit took."),
    ("worker_open_traces", "gauge", "open_traces", "Traces in memory that may still get spans."),
    ("ledger_files", "gauge", "ledger_files", "Parquet files of the ledger, when it was last tidied up."),
    ("ledger_files_to_compact", "gauge", "files_to_compact", "Of them those that compaction had still to join."),
)


def worker_metrics(stats: Stats, journal_position: int, restarts: int, alive: bool) -> str:
    """The text exposition format; the lag is measured against the journal's end at this moment."""
    figures = [(name, kind, text, float(getattr(stats, field))) for name, kind, field, text in _FIGURES]
    lag, settle_lag = journal_position - stats.committed_position, journal_position - stats.open_position
    figures += [
        ("worker_lag_bytes", "gauge", "Journal bytes that are not in the ledger yet.", float(max(0, lag))),
        ("worker_settle_lag_bytes", "gauge", "Journal bytes that are not settled yet.", float(max(0, settle_lag))),
        ("worker_restarts_total", "counter", "Times the worker was started again.", float(restarts)),
        ("worker_up", "gauge", "1 while the worker runs.", float(alive)),
    ]
    return "".join(_figure(*figure) for figure in figures) + _commits(stats.commit_counts, stats.commit_seconds_sum)


def archive_metrics(segments: int, size_bytes: int) -> str:
    """How much is in the archive of requests."""
    return _figure("archive_segments", "gauge", "Journal segments in the archive.", segments) + _figure(
        "archive_bytes", "gauge", "Size of the archive of requests.", size_bytes
    )


def disk_metrics(folder: Path) -> str:
    """The room on the disk that the data folder lies on."""
    total, _, free = shutil.disk_usage(folder)
    return _figure("disk_free_bytes", "gauge", "Free bytes of the data folder's disk.", free) + _figure(
        "disk_size_bytes", "gauge", "Size of the data folder's disk.", total
    )


def forward_metrics(state: ForwardState | None, entries_total: int, now_ns: int) -> str:
    """How far the sending on of costs is behind; nothing where it has never begun."""
    if state is None:
        return ""
    failing = 0.0 if state.failing_since_ns is None else (now_ns - state.failing_since_ns) / 1e9
    figures = (
        ("forward_entries_total", "counter", "Ledger entries sent on.", float(state.entry_number)),
        ("forward_rejected_entries_total", "counter", "Entries that the receiver refused for good.", float(state.rejected)),
        ("forward_lag_entries", "gauge", "Ledger entries that are not sent on yet.", float(max(0, entries_total - state.entry_number))),
        ("forward_failing_seconds", "gauge", "How long nothing could be sent on; 0 while it works.", max(0.0, failing)),
    )
    return "".join(_figure(*figure) for figure in figures)


def _figure(name: str, kind: str, text: str, value: float) -> str:
    return f"# HELP spanledger_{name} {text}\n# TYPE spanledger_{name} {kind}\nspanledger_{name} {value:.15g}\n"


def _commits(counts: Sequence[int], seconds: float) -> str:
    """The histogram of commits; `counts` are those up to each bound, and behind the last."""
    full = "spanledger_worker_commit_duration_seconds"
    lines = [f"# HELP {full} Time of one commit to the ledger.", f"# TYPE {full} histogram"]
    total = 0
    for bound, count in zip([*map(str, COMMIT_SECONDS), "+Inf"], counts, strict=True):
        total += count
        lines.append(f'{full}_bucket{{le="{bound}"}} {total}')
    return "\n".join([*lines, f"{full}_sum {seconds:.6f}", f"{full}_count {total}"]) + "\n"
