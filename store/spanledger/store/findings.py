"""What a verification says: what it went through, and whatever is not as the ledger's own proof says it must be."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One thing that is wrong. `where` names a place (record 17, commit 17, entry 4711, a file), `problem` what is wrong there."""

    where: str
    problem: str
    expected: str = ""
    actual: str = ""


class Findings:
    """Gathers findings: the first ones in full, of the rest only how many."""

    KEPT_MAX = 100

    def __init__(self) -> None:
        self.kept: list[Finding] = []
        self.total = 0

    def add(self, where: str, problem: str, expected: object = "", actual: object = "") -> None:
        """Note a finding."""
        self.total += 1
        if len(self.kept) < self.KEPT_MAX:
            self.kept.append(Finding(where, problem, _text(expected), _text(actual)))

    def compare(self, where: str, what: str, expected: object, actual: object) -> bool:
        """Note a finding if the two are not equal; whether they are."""
        if expected != actual:
            self.add(where, f"{what} differs", expected, actual)
        return expected == actual


def _text(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
