"""What the receiver counts about itself, as Prometheus text. Labels come from fixed sets, never from what a client sent."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable

_SYNC_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_HELP = {
    "requests_total": "Trace export requests by transport and outcome.",
    "spans_total": "Spans journalled.",
    "received_bytes_total": "Bytes of export requests after inflation, by transport.",
    "rejected_total": "Requests refused, by reason.",
    "quarantined_spans_total": "Spans accepted without a usable id.",
    "dropped_total": "What exceeded a bound and was dropped, by what it was.",
    "large_requests_total": "Requests read in a process of their own because they are large.",
    "journal_bytes_total": "Bytes synced to the journal.",
    "journal_records_total": "Requests synced to the journal.",
}
_Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Counters and one histogram. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, dict[_Labels, int]] = {name: {} for name in _HELP}
        self._sync_buckets = [0] * (len(_SYNC_SECONDS) + 1)
        self._sync_seconds = 0.0

    def add(self, name: str, amount: int = 1, **labels: str) -> None:
        """Count up; `name` is one of the counters above."""
        key = tuple(labels.items())
        with self._lock:
            counts = self._counts[name]
            counts[key] = counts.get(key, 0) + amount

    def count(self, name: str, **labels: str) -> int:
        """What a counter stands at."""
        with self._lock:
            return self._counts[name].get(tuple(labels.items()), 0)

    def synced(self, records: int, size_bytes: int, seconds: float) -> None:
        """One group commit."""
        self.add("journal_records_total", records)
        self.add("journal_bytes_total", size_bytes)
        bucket = next((index for index, bound in enumerate(_SYNC_SECONDS) if seconds <= bound), len(_SYNC_SECONDS))
        with self._lock:
            self._sync_buckets[bucket] += 1
            self._sync_seconds += seconds

    def render(self, gauges: Iterable[tuple[str, str, float]]) -> str:
        """The text exposition format; `gauges` are (name, help, value) read at this moment."""
        with self._lock:
            lines = [line for name, help_text in _HELP.items() for line in _counter(name, help_text, self._counts[name])]
            lines += _histogram(self._sync_buckets, self._sync_seconds)
        for name, help_text, value in gauges:
            lines += [f"# HELP spanledger_{name} {help_text}", f"# TYPE spanledger_{name} gauge", f"spanledger_{name} {value:.15g}"]
        return "\n".join(lines) + "\n"


def open_metrics(text: str) -> str:
    """The same as OpenMetrics 1.0: a counter's family is named without `_total`, and the end is marked."""
    return re.sub(r"^(# (?:HELP|TYPE) spanledger_\w+?)_total ", r"\1 ", text, flags=re.MULTILINE) + "# EOF\n"


def _counter(name: str, help_text: str, counts: dict[_Labels, int]) -> list[str]:
    full = f"spanledger_receiver_{name}"
    lines = [f"# HELP {full} {help_text}", f"# TYPE {full} counter"]
    for labels, count in sorted((counts or {(): 0}).items()):
        text = ",".join(f'{label}="{value}"' for label, value in labels)
        lines.append(f"{full}{{{text}}} {count}" if text else f"{full} {count}")
    return lines


def _histogram(buckets: list[int], seconds: float) -> list[str]:
    full = "spanledger_receiver_journal_sync_seconds"
    lines = [f"# HELP {full} Time of one write and sync that many requests share.", f"# TYPE {full} histogram"]
    total = 0
    for bound, count in zip([*map(str, _SYNC_SECONDS), "+Inf"], buckets, strict=True):
        total += count
        lines.append(f'{full}_bucket{{le="{bound}"}} {total}')
    return [*lines, f"{full}_sum {seconds:.6f}", f"{full}_count {total}"]
