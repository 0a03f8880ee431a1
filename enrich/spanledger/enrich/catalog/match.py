"""Which entry of a provider a model name means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from spanledger.enrich.catalog.rows import BASE, OVERLAY, RANKS, Entry, Match

Test = Callable[[str], bool]


def exact_names(match: Match) -> list[str]:
    """The names a match takes literally; the rest of it, if any, needs `test_of`."""
    if match and match[0] == "equals":
        return [match[1]]
    if match and match[0] == "any":
        return [name for part in match[1] for name in exact_names(part)]
    return []


def only_exact(match: Match) -> bool:
    """Whether a match is nothing but literal names."""
    return bool(match) and (match[0] == "equals" or (match[0] == "any" and all(only_exact(part) for part in match[1])))


EXACT = 1 << 16
"""How narrow a literal name is: narrower than any beginning of one."""


def narrowness(match: Match) -> int:
    """How narrowly an entry names its models: literal names above all, then the longer beginning; of several parts the widest counts."""
    kind, value = match if match else ("", "")
    if kind == "any":
        return min((narrowness(part) for part in value), default=0)
    return EXACT if kind == "equals" else len(value) if kind == "prefix" else 0


def overlap(one: Match, other: Match) -> bool:
    """Whether some name may be meant by both; what is neither a name nor a beginning may mean any."""
    ones, others = _parts(one), _parts(other)
    return any(_meet(each, second) for each in ones for second in others)


def _parts(match: Match) -> list[Match]:
    return [each for part in match[1] for each in _parts(part)] if match and match[0] == "any" else [match]


def _meet(one: Match, other: Match) -> bool:
    kinds = {one[0], other[0]} if one and other else set()
    if not kinds or kinds - {"equals", "prefix"}:
        return True
    if kinds == {"equals"}:
        return bool(one[1] == other[1])
    if kinds == {"prefix"}:
        return bool(one[1].startswith(other[1]) or other[1].startswith(one[1]))
    name, begins = (one[1], other[1]) if one[0] == "equals" else (other[1], one[1])
    return bool(name.startswith(begins))


def test_of(match: Match) -> Test:
    """A match as a predicate on a lower-case model name. Raises ValueError for an unknown form."""
    kind, value = match
    if kind == "any":
        tests = [test_of(part) for part in value]
        return lambda name: any(test(name) for test in tests)
    if kind == "all":
        tests = [test_of(part) for part in value]
        return lambda name: all(test(name) for test in tests)
    if kind == "regex":
        pattern = re.compile(value)
        return lambda name: pattern.search(name) is not None
    simple: dict[str, Test] = {
        "equals": lambda name: name == value,
        "prefix": lambda name: name.startswith(value),
        "suffix": lambda name: name.endswith(value),
        "contains": lambda name: value in name,
    }
    if kind not in simple:
        raise ValueError(f"unknown match: {kind!r}")
    return simple[kind]


class Shelf:
    """The entries of one provider, ready to look names up: literal names by dict, patterns in order."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = sorted(entries, key=lambda entry: (-entry.rank, entry.order, entry.model, entry.source))
        self._exact: dict[str, tuple[int, Entry]] = {}
        self._patterns: list[tuple[int, Any, Entry]] = []
        self._overlays: list[tuple[Any, Entry]] = []
        self._fills: dict[str, list[Entry]] = {}
        for index, entry in enumerate(self.entries):
            if entry.rank == OVERLAY:
                self._overlays.append((test_of(entry.match), entry))
            elif not entry.match:
                self._fills.setdefault(entry.model, []).append(entry)
            else:
                for name in exact_names(entry.match):
                    self._exact.setdefault(name, (index, entry))
                if not only_exact(entry.match):
                    self._patterns.append((index, test_of(entry.match), entry))

    def find(self, name: str) -> list[Entry]:
        """The entries that price a lower-case model name: overlays, the base and what fills it; empty where none does.

        An overlay that only adds to models (say a tool's price for all of them) knows no model by itself.
        """
        found = self.parts(name)
        return found if any(not adds_only(entry) for entry in found) else []

    def parts(self, name: str) -> list[Entry]:
        """The same, with what only adds to models also where no other entry knows the name."""
        overlays = [entry for test, entry in self._overlays if test(name)]
        base = self._base(name)
        if base is None:
            return overlays
        fills = self._fills.get(base.model, []) if base.rank == BASE else []
        return [*overlays, base, *fills]

    def _base(self, name: str) -> Entry | None:
        index, entry = self._exact.get(name, (len(self.entries), None))
        for position, test, candidate in self._patterns:
            if position > index:
                break
            if test(name):
                return candidate
        return entry


def adds_only(entry: Entry) -> bool:
    """Whether an overlay entry is for any model ("contains" nothing in particular) and so names none."""
    return entry.rank % RANKS == OVERLAY and list(entry.match) == ["prefix", ""]
