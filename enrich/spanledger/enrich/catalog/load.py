"""Reading a catalog file: small, checked against its own id, and parsed one provider at a time when that provider is asked for."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from spanledger.enrich.catalog.match import Shelf
from spanledger.enrich.catalog.rows import Entry, catalog_id, entry_from_line

SHIPPED = Path(__file__).with_name("shipped.jsonl.gz")
"""The catalog that comes with the package; scripts/build_catalog.py writes it."""


class CatalogError(ValueError):
    """A catalog file that is damaged or not one."""


class CatalogFile:
    """The entries of one catalog file, by provider. `label` is for people, `id` is its content's hash."""

    def __init__(self, text: str, label: str) -> None:
        self.id = catalog_id(text)
        self.label = label
        self._lines: dict[str, list[str]] = {}
        self._shelves: dict[str, Shelf] = {}
        for line in text.split("\n")[:-1]:
            self._lines.setdefault(line.split('"', 2)[1], []).append(line)

    def providers(self) -> list[str]:
        """Every provider the catalog has a price of, sorted."""
        return sorted(self._lines)

    def shelf(self, provider: str) -> Shelf | None:
        """The entries of a provider (canonical name), None where it has none."""
        found = self._shelves.get(provider)
        if found is None and provider in self._lines:
            found = self._shelves[provider] = Shelf(entry_from_line(line) for line in self._lines[provider])
        return found

    def entries(self) -> Iterator[Entry]:
        """Every entry, in canonical order."""
        for provider in self.providers():
            for line in self._lines[provider]:
                yield entry_from_line(line)


def pack(text: str, label: str) -> bytes:
    """A catalog file: a header line with id and label, then the canonical text; the same bytes for the same content."""
    header = json.dumps({"catalog_id": catalog_id(text), "label": label}, sort_keys=True)
    return gzip.compress(f"{header}\n{text}".encode(), compresslevel=9, mtime=0)


def unpack(data: bytes) -> CatalogFile:
    """The inverse of `pack`. Raises CatalogError where the content is not what the header says."""
    try:
        header_line, _, text = gzip.decompress(data).decode().partition("\n")
        header = json.loads(header_line)
        wanted, label = str(header["catalog_id"]), str(header["label"])
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise CatalogError(f"not a price catalog: {error}") from error
    found = CatalogFile(text, label)
    if found.id != wanted:
        raise CatalogError(f"damaged price catalog: content is {found.id}, header says {wanted}")
    return found


def load(path: Path = SHIPPED) -> CatalogFile:
    """The catalog in a file; by default the shipped one. Raises CatalogError, OSError."""
    return unpack(path.read_bytes())
