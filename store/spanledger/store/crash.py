"""Named points at which a test can make the process die, so that every step of a commit is hit and not only the likely ones.

The seam does nothing unless the environment variable is set: `SPANLEDGER_CRASH_AT=name` or `name:3` (the third time).
"""

from __future__ import annotations

import os
import signal
from collections import Counter

ENVIRONMENT = "SPANLEDGER_CRASH_AT"
_passed: Counter[str] = Counter()


def crash_point(name: str) -> None:
    """Die here by SIGKILL, as a power cut would have it, if the environment names this point."""
    wanted = os.environ.get(ENVIRONMENT)
    if not wanted:
        return
    point, _, number = wanted.partition(":")
    if point != name:
        return
    _passed[name] += 1
    if _passed[name] == int(number or 1):
        os.kill(os.getpid(), signal.SIGKILL)
