"""How much work a request may still cost where it is read, so that one made to take long is found out early and read apart.

Size says little: two MiB may be four thousand spans, which take 30 ms, or a million events, which take seconds. So whoever
does something for each of many things spends it first.
"""

from __future__ import annotations

from spanledger.receiver.errors import Laborious

_UNLIMITED = 1 << 62


class Effort:
    """What is left of the work that one request may cost; a unit is about a microsecond. Not shared between requests."""

    __slots__ = ("_left",)

    def __init__(self, units: int = _UNLIMITED) -> None:
        self._left = units

    def spend(self, units: int) -> None:
        """So much is about to be done. Raises Laborious when that is more than is left."""
        self._left -= units
        if self._left < 0:
            raise Laborious
