"""Times as people read them."""

from __future__ import annotations

import pytest

from spanledger.cli.errors import UsageMistake
from spanledger.cli.times import utc_text, window_of


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_795_132_800_120_000_000, "2026-11-20T00:00:00.120Z"),
        (1_795_132_800_000_000_001, "2026-11-20T00:00:00.000000001Z"),
        (9_214_646_400_000_000_000, "2262-01-01T00:00:00Z"),
    ],
)
def test_utc_text(ns: int, text: str) -> None:
    assert utc_text(ns) == text


def test_a_day_or_a_month_stands_for_its_window() -> None:
    assert window_of("2026-11-20", None, None, None, "UTC") == ("2026-11-20", "2026-11-21")
    assert window_of(None, "2026-12", None, None, "Europe/Berlin") == ("2026-12-01", "2027-01-01")
    assert window_of(None, "2026-02-14", None, None, "UTC") == ("2026-02-01", "2026-03-01")
    assert window_of(None, None, "7d", None, "UTC") == ("7d", None)
    with pytest.raises(UsageMistake, match="--day and --month"):
        window_of("today", "month", None, None, "UTC")
    with pytest.raises(UsageMistake, match="--since"):
        window_of("today", None, "1h", None, "UTC")
