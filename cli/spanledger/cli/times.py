"""Times for people: Unix nanoseconds as ISO 8601 in UTC, to the last digit that matters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_text(ns: int) -> str:
    """Unix nanoseconds as 2026-11-20T10:15:02.120Z; nanoseconds are kept where there are any."""
    seconds, rest = divmod(ns, 1_000_000_000)
    when = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{rest:09d}".rstrip("0")
    if fraction:
        fraction = "." + fraction.ljust(3, "0")
    return f"{when}{fraction}Z"
