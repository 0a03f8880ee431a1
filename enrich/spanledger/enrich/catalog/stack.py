"""Several catalog files as one price list: a base, and overlays on top of it, each over the one before.

Nothing is merged: an entry keeps its rate ids, and its rank says which file it is from, so that rates are chosen in one place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from spanledger.enrich.catalog.load import CatalogFile
from spanledger.enrich.catalog.match import Shelf, adds_only
from spanledger.enrich.catalog.rows import RANKS, Entry


class Names(Protocol):
    """What finds the entries of one provider by model name."""

    def find(self, name: str) -> list[Entry]:
        """The entries that price a lower-case model name; empty where none does."""


class PriceList(Protocol):
    """What can be asked for prices: a catalog file, or a stack of them. `id` stands for its content, `label` is for people."""

    id: str
    label: str

    def shelf(self, provider: str) -> Names | None:
        """The entries of a provider, None where there are none."""

    def entries(self) -> Iterator[Entry]:
        """Every entry."""


class Stack:
    """A base with overlays, the later the higher. Ranks of a file's entries are raised by RANKS for each file below it."""

    def __init__(self, base: CatalogFile, overlays: Sequence[CatalogFile], stack_id: str = "", label: str = "") -> None:
        self.id, self.label = stack_id, label
        self._files = (base, *overlays)
        self._shelves: dict[str, _Shelves | None] = {}

    def shelf(self, provider: str) -> Names | None:
        """The entries of a provider (canonical name) in all files, None where none has any."""
        if provider not in self._shelves:
            held = [(layer * RANKS, shelf) for layer, file in enumerate(self._files) if (shelf := file.shelf(provider)) is not None]
            self._shelves[provider] = _Shelves(held) if held else None
        return self._shelves[provider]

    def entries(self) -> Iterator[Entry]:
        """Every entry of every file, the base first."""
        for layer, file in enumerate(self._files):
            yield from (_raised(entry, layer * RANKS) for entry in file.entries())


class _Shelves:
    """One provider's entries in several files."""

    def __init__(self, held: list[tuple[int, Shelf]]) -> None:
        self._held = held

    def find(self, name: str) -> list[Entry]:
        """The entries of all files that price a lower-case model name.

        A file that does not have the name is asked for the name that a file below has for it: who writes a price for "gpt-5" means its
        snapshots too.
        """
        found: list[Entry] = []
        known, own_name = False, ""
        for raised, shelf in self._held:
            entries = shelf.parts(name) or (shelf.parts(own_name) if own_name else [])
            known = known or any(not adds_only(entry) for entry in entries)
            own_name = own_name or next((entry.model.lower() for entry in entries if entry.match and not adds_only(entry)), "")
            found = [*(_raised(entry, raised) for entry in entries), *found]
        return found if known else []


def _raised(entry: Entry, ranks: int) -> Entry:
    return entry._replace(rank=entry.rank + ranks) if ranks else entry
