"""Which partition a span belongs to: its own UTC day, as long as that day is believable.

Partitions are folders, so their number must not be in a sender's hand. A span that starts more than `past_days` before its
receipt or more than `future_days` after it is *far-dated*: it goes to one of two partitions that no believable day can have,
FAR_PAST or FAR_FUTURE. It keeps its own times, is charged and reported by them like any other, and its partition is the flag.

The time of receipt is no property of the span, so the same span sent again later may fall to another partition than before.
Look-ups therefore search both far partitions besides the span's own day (`days_to_search`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spanledger.enrich.records import DAY_NS

FAR_PAST: Final = 0
"""Day number (days since 1970-01-01) of the partition for spans dated too long before their receipt: 1970-01-01."""

FAR_FUTURE: Final = 2_932_896
"""Day number of the partition for spans dated too far ahead of their receipt: 9999-12-31."""

PAST_DAYS: Final = 400
FUTURE_DAYS: Final = 2


def partition_days(
    start_ns: NDArray[np.int64], received_ns: NDArray[np.int64], past_days: int = PAST_DAYS, future_days: int = FUTURE_DAYS
) -> NDArray[np.int64]:
    """The partition's day number of each row."""
    days = start_ns // DAY_NS
    ahead = days - received_ns // DAY_NS
    days[ahead < -past_days] = FAR_PAST
    days[ahead > future_days] = FAR_FUTURE
    # A clock of receipt that is wrong itself (1970, before it was set) must not make days that no calendar has.
    return np.clip(days, FAR_PAST, FAR_FUTURE)


def days_to_search(days: Iterable[int]) -> set[int]:
    """The partitions where a span of one of these days, or of a neighbouring one, may be stored."""
    found = {FAR_PAST, FAR_FUTURE}
    for day in days:
        found.update((day - 1, day, day + 1))
    return found


def day_text(day: int) -> str:
    """A day number as YYYY-MM-DD, the way partitions are named."""
    return date.fromordinal(day + 719_163).isoformat()


def day_number(text: str) -> int:
    """The day number of YYYY-MM-DD."""
    return date.fromisoformat(text).toordinal() - 719_163
