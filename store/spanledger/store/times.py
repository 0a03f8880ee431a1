"""What people write for a time ("2026-11-01", "24h", "month") as nanoseconds, given the present moment and a time zone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from spanledger.store.errors import QueryError

_AGO: Final = re.compile(r"(\d{1,9})\s*(s|m|h|d|w)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_MONTH: Final = re.compile(r"(\d{4})-(\d{2})")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

HELP: Final = (
    "a date (2026-11-01), a month (2026-11), a time (2026-11-01T12:00 or with Z or +01:00), an age (15m, 24h, 7d, 2w) or one of "
    "now, hour, today, yesterday, week, month, last-month, year"
)


def zone(name: str) -> tzinfo:
    """The time zone of an IANA name ("Europe/Berlin"); raises QueryError."""
    if name.upper() in ("UTC", "Z"):
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:  # ZoneInfo raises each of them for some names it does not know
        raise QueryError(f"{name!r} is no time zone; give a name like Europe/Berlin") from error


def nanoseconds(moment: datetime) -> int:
    """An aware moment as nanoseconds since 1970, exactly."""
    since = moment - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


def moment_at(ns: int, tz: tzinfo = UTC) -> datetime:
    """Nanoseconds since 1970 as an aware moment, cut to microseconds."""
    return (_EPOCH + timedelta(microseconds=ns // 1_000)).astimezone(tz)


def rfc3339(ns: int) -> str:
    """Nanoseconds since 1970 as RFC 3339 in UTC with all nine digits."""
    return f"{_EPOCH + timedelta(seconds=ns // 1_000_000_000):%Y-%m-%dT%H:%M:%S}.{ns % 1_000_000_000:09d}Z"


def parse_time(text: str, now_ns: int, tz: str = "UTC") -> int:
    """The moment that `text` names, as nanoseconds since 1970; see HELP for what it may be.

    Dates and words are read in the time zone and mean their start: "2026-11" is 1 November, 00:00. Raises QueryError.
    """
    text = text.strip()
    local = zone(tz)
    if ago := _AGO.fullmatch(text):
        return now_ns - int(ago[1]) * _SECONDS[ago[2]] * 1_000_000_000
    if text.lower() == "now":
        return now_ns
    moment = _word(text.lower(), moment_at(now_ns, local))
    text, odd_ns = _split_nanoseconds(text)
    try:
        if moment is None and (month := _MONTH.fullmatch(text)):
            moment = datetime(int(month[1]), int(month[2]), 1)  # noqa: DTZ001 - gets its zone below
        if moment is None:
            moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=local)
        return nanoseconds(moment.astimezone(UTC)) + odd_ns
    except (ValueError, OverflowError) as error:
        raise QueryError(f"cannot read {text!r} as a time; give {HELP}") from error


_NANOSECONDS: Final = re.compile(r"(.*:\d\d[.,]\d{6})(\d{1,3})(?!\d)(.*)")


def _split_nanoseconds(text: str) -> tuple[str, int]:
    """A time without the digits after its microseconds, which Python would drop, and these: what `events` shows can be given back."""
    if found := _NANOSECONDS.fullmatch(text):
        return found[1] + found[3], int(found[2].ljust(3, "0"))
    return text, 0


def _word(word: str, now: datetime) -> datetime | None:
    """The start of what the word names. Wall-clock arithmetic: a day is from midnight to midnight, however long it is."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    starts = {
        "hour": now.replace(minute=0, second=0, microsecond=0),
        "today": today,
        "day": today,
        "yesterday": today - timedelta(days=1),
        "week": today - timedelta(days=today.weekday()),
        "month": today.replace(day=1),
        "last-month": (today.replace(day=1) - timedelta(days=1)).replace(day=1),
        "year": today.replace(month=1, day=1),
    }
    return starts.get(word)


def parse_moment(text: str | None, now_ns: int, tz: str = "UTC") -> int | None:
    """As `parse_time`; None stays None."""
    return None if text is None else parse_time(text, now_ns, tz)


def parse_window(since: str | None, until: str | None, now_ns: int, tz: str = "UTC") -> tuple[int | None, int | None]:
    """(from, to) in nanoseconds, half-open, None where open. Raises QueryError if it ends before it begins."""
    start = None if since is None else parse_time(since, now_ns, tz)
    end = None if until is None else parse_time(until, now_ns, tz)
    if start is not None and end is not None and end <= start:
        raise QueryError(f"--until {until} is not after --since {since}; the window goes from --since up to, not including, --until")
    return start, end


QUARTER_NS: Final = 900_000_000_000
"""Offsets of time zones are whole quarters of an hour, so no bucket begins within one."""


def bucket(quarter: int, unit: str, tz: tzinfo) -> str:
    """The label of the hour, day, week or month that quarter hour number `quarter` since 1970 falls into in a time zone."""
    moment = (_EPOCH + timedelta(minutes=15 * quarter)).astimezone(tz)
    match unit:
        case "hour":
            # With its offset: on the day when clocks go back, an hour comes twice.
            return moment.replace(minute=0, second=0).isoformat(timespec="minutes")
        case "day":
            return moment.date().isoformat()
        case "week":
            return _week(moment.date())
        case "month":
            return f"{moment:%Y-%m}"
    raise ValueError(f"{unit} is no unit of time")


def _week(day: date) -> str:
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"
