"""Times for people: Unix nanoseconds as ISO 8601 in UTC, to the last digit that matters."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta

from spanledger.cli.errors import UsageMistake
from spanledger.store.times import moment_at, parse_time, zone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_text(ns: int) -> str:
    """Unix nanoseconds as 2026-11-20T10:15:02.120Z; nanoseconds are kept where there are any."""
    seconds, rest = divmod(ns, 1_000_000_000)
    when = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{rest:09d}".rstrip("0")
    if fraction:
        fraction = "." + fraction.ljust(3, "0")
    return f"{when}{fraction}Z"


def window_of(day: str | None, month: str | None, since: str | None, until: str | None, tz: str) -> tuple[str | None, str | None]:
    """The options --since and --until that --day or --month stands for, in a time zone; only one way of saying it may be used."""
    given = [name for name, value in (("--day", day), ("--month", month), ("--since and --until", since or until)) if value]
    if len(given) > 1:
        raise UsageMistake(f"{' and '.join(given)} say the same in two ways: use one")
    if day:
        first = _date(day, tz)
        return first.isoformat(), (first + timedelta(days=1)).isoformat()
    if month:
        first = _date(month, tz).replace(day=1)
        return first.isoformat(), (first + timedelta(days=31)).replace(day=1).isoformat()
    return since, until


def _date(text: str, tz: str) -> date:
    return moment_at(parse_time(text, time.time_ns(), tz), zone(tz)).date()
