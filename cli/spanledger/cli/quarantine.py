"""What could not be read: counted by code and listed in a bounded file, without a word of the sender's."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from spanledger.enrich.records import Problem

FILE_BYTES_MAX = 8 << 20


class Quarantine:
    """Appends problems to `quarantine.jsonl`; when it is full it becomes `.1`, and the `.1` before it goes.

    The journal still has every request in full: this file only says where to look. A line may come twice after a crash.
    """

    def __init__(self, path: Path, bytes_max: int = FILE_BYTES_MAX) -> None:
        self._path = path
        self._bytes_max = bytes_max
        self.counts: Counter[str] = Counter()

    def add(self, problems: Sequence[Problem], received_ns: int) -> None:
        """Note problems. Their messages may quote a span, so only code and place are written."""
        if not problems:
            return
        self.counts.update(problem.code for problem in problems)
        if self._path.exists() and self._path.stat().st_size >= self._bytes_max:
            self._path.replace(older(self._path))
        with self._path.open("a", encoding="ascii") as file:
            for problem in problems:
                file.write(json.dumps(_row(problem, received_ns)) + "\n")


def _row(problem: Problem, received_ns: int) -> dict[str, Any]:
    return {
        "code": problem.code,
        "position": problem.position,
        "trace_id": problem.trace_id.hex(),
        "span_id": problem.span_id.hex(),
        "received_ns": received_ns,
    }


def older(path: Path) -> Path:
    """Where the file before this one lies."""
    return path.with_name(f"{path.name}.1")


def read_quarantine(path: Path) -> Iterator[dict[str, Any]]:
    """Every problem still on file, each once, the oldest first; a line cut off by a crash is passed over."""
    seen: set[tuple[Any, ...]] = set()
    for part in (older(path), path):
        if not part.exists():
            continue
        with part.open(encoding="ascii", errors="replace") as file:
            for line in file:
                try:
                    row = json.loads(line)
                    key = (row["code"], row["position"], row["trace_id"], row["span_id"])
                except (ValueError, KeyError, TypeError):
                    continue
                if key not in seen:
                    seen.add(key)
                    yield row
