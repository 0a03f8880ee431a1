"""Times as people read them."""

from __future__ import annotations

import pytest

from spanledger.cli.times import utc_text


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
