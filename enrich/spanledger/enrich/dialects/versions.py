"""Version bounds of instrumentation scopes: "1.3b0", "2.11.0", "0.20.0-beta.1" compared by their numbers."""

from __future__ import annotations

import re
from typing import Final

_BOUND: Final = re.compile(r"(>=|<=|<|>|==)\s*([0-9][0-9A-Za-z.+-]*)")
_NUMBERS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*")


def numbers(version: str) -> tuple[int, ...] | None:
    """The leading dotted numbers of a version, trailing zeros dropped ("1.3b0" -> (1, 3)); None where it has none."""
    found = _NUMBERS.match(version.strip().removeprefix("v"))
    if not found:
        return None
    parts = [int(part[:18]) for part in found.group().split(".")]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def bounds(spec: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """(operator, numbers) pairs of ">=0.2,<1"; ValueError where it is not such a list."""
    out = []
    for part in filter(None, (part.strip() for part in spec.split(","))):
        found = _BOUND.fullmatch(part)
        number = numbers(found.group(2)) if found else None
        if found is None or number is None:
            raise ValueError(f"not a version bound: {part!r} (want >=1.2, <2, ==1.0)")
        out.append((found.group(1), number))
    return tuple(out)


def within(version: str, spec: str) -> bool:
    """Whether a version fits every bound; an unversioned scope fits only the empty spec."""
    if not spec.strip():
        return True
    have = numbers(version)
    if have is None:
        return False
    tests = {">=": have.__ge__, "<=": have.__le__, "<": have.__lt__, ">": have.__gt__, "==": have.__eq__}
    return all(tests[operator](want) for operator, want in bounds(spec))
