"""Who does what is kept on record: the one named, or else whoever is at the keyboard."""

from __future__ import annotations

import getpass


def person(named: str | None = None) -> str:
    """The name to keep on record."""
    if named:
        return named
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return "unknown"
