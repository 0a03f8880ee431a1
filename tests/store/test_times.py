from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from spanledger.store.errors import QueryError
from spanledger.store.times import bucket, nanoseconds, parse_time, parse_window, rfc3339

NOW = datetime(2026, 11, 21, 9, 30, 15, 250_000, UTC)  # a Saturday
NOW_NS = nanoseconds(NOW)


@pytest.mark.parametrize(
    ("text", "tz", "expected"),
    [
        ("2026-11-01", "UTC", "2026-11-01T00:00:00Z"),
        ("2026-11-01", "Europe/Berlin", "2026-10-31T23:00:00Z"),
        ("2026-07-01", "Europe/Berlin", "2026-06-30T22:00:00Z"),
        ("2026-11", "UTC", "2026-11-01T00:00:00Z"),
        ("2026-11-01T12:00", "Asia/Kolkata", "2026-11-01T06:30:00Z"),
        ("2026-11-01T12:00:00Z", "Asia/Kolkata", "2026-11-01T12:00:00Z"),
        ("2026-11-01T12:00:00+01:00", "UTC", "2026-11-01T11:00:00Z"),
        ("15m", "UTC", "2026-11-21T09:15:15.250Z"),
        ("24h", "UTC", "2026-11-20T09:30:15.250Z"),
        ("2 d", "UTC", "2026-11-19T09:30:15.250Z"),
        ("1w", "UTC", "2026-11-14T09:30:15.250Z"),
        ("now", "UTC", "2026-11-21T09:30:15.250Z"),
        ("hour", "Asia/Kolkata", "2026-11-21T09:30:00Z"),
        ("today", "UTC", "2026-11-21T00:00:00Z"),
        ("Today", "America/New_York", "2026-11-21T05:00:00Z"),
        ("yesterday", "UTC", "2026-11-20T00:00:00Z"),
        ("week", "UTC", "2026-11-16T00:00:00Z"),
        ("month", "Asia/Tokyo", "2026-10-31T15:00:00Z"),
        ("last-month", "UTC", "2026-10-01T00:00:00Z"),
        ("year", "UTC", "2026-01-01T00:00:00Z"),
    ],
)
def test_what_people_write(text: str, tz: str, expected: str) -> None:
    assert parse_time(text, NOW_NS, tz) == nanoseconds(datetime.fromisoformat(expected))


@pytest.mark.parametrize("text", ["", "soon", "2026-13", "2026-02-30", "5y", "'; DROP TABLE files", "0001-01-01T00:00+14:00", "٣d"])
def test_what_cannot_be_read_says_what_can(text: str) -> None:
    if text == "٣d":  # digits of another script are digits: three days
        assert parse_time(text, NOW_NS) == NOW_NS - 3 * 86_400_000_000_000
        return
    with pytest.raises(QueryError, match="15m, 24h"):
        parse_time(text, NOW_NS)


@pytest.mark.parametrize("tz", ["Mars/Olympus", "", "../../etc/passwd", "Europe"])
def test_an_unknown_zone_is_a_clear_error(tz: str) -> None:
    with pytest.raises(QueryError, match="time zone"):
        parse_time("today", NOW_NS, tz)


def test_a_window_is_half_open_and_forward() -> None:
    assert parse_window(None, None, NOW_NS) == (None, None)
    day = 86_400_000_000_000
    start, end = parse_window("2026-11-01", "2026-11-02", NOW_NS)
    assert start is not None
    assert end == start + day
    with pytest.raises(QueryError, match="not after"):
        parse_window("2026-11-02", "2026-11-02", NOW_NS)


def test_rfc3339_keeps_all_nine_digits() -> None:
    assert rfc3339(1_795_262_400_000_000_001) == "2026-11-21T12:00:00.000000001Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000000000Z"
    assert rfc3339(2**63 - 1) == "2262-04-11T23:47:16.854775807Z"


def quarter(text: str) -> int:
    return nanoseconds(datetime.fromisoformat(text)) // 900_000_000_000


def test_an_hour_that_comes_twice_is_two_hours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert bucket(quarter("2026-10-25T00:30Z"), "hour", berlin) == "2026-10-25T02:00+02:00"
    assert bucket(quarter("2026-10-25T01:30Z"), "hour", berlin) == "2026-10-25T02:00+01:00"


@pytest.mark.parametrize(
    ("unit", "expected"), [("hour", "2027-01-01T05:00+05:45"), ("day", "2027-01-01"), ("week", "2026-W53"), ("month", "2027-01")]
)
def test_buckets_begin_where_the_zone_says(unit: str, expected: str) -> None:
    assert bucket(quarter("2026-12-31T23:30Z"), unit, ZoneInfo("Asia/Kathmandu")) == expected
    with pytest.raises(ValueError, match="fortnight"):
        bucket(0, "fortnight", UTC)


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("2026-11-21T12:00:03.123456789Z", 123_456_789),
        ("2026-11-21T13:00:03.1234567+01:00", 123_456_700),
        ("2026-11-21 12:00:03.000000001", 1),
        ("2026-11-21T12:00:03.5Z", 500_000_000),
    ],
)
def test_a_time_of_the_ledger_can_be_given_back_to_the_last_digit(text: str, digits: int) -> None:
    assert parse_time(text, 0) == nanoseconds(datetime(2026, 11, 21, 12, 0, 3, tzinfo=UTC)) + digits


def test_more_digits_than_nanoseconds_are_no_time_of_ours() -> None:
    with pytest.raises(QueryError):
        parse_time("2026-11-21T12:00:03.1234567890Q", 0)
