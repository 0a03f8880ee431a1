"""Somebody's price list becomes a catalog file: the same content gives the same id, and nothing is left out silently."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from io import BytesIO
from typing import Final, NamedTuple

from spanledger.enrich.catalog.importers import genai, genai_files, litellm, tables
from spanledger.enrich.catalog.load import CatalogError, CatalogFile, pack, unpack
from spanledger.enrich.catalog.match import test_of
from spanledger.enrich.catalog.merge import merge
from spanledger.enrich.catalog.rows import Entry, catalog_text

_LITELLM_MAP: Final = "litellm/model_prices_and_context_window_backup.json"
_UNPACKED_MAX: Final = 64 << 20


class Imported(NamedTuple):
    """An imported price list: the catalog, its bytes for storing (`load.unpack` reads them), and what was changed or left out, and why."""

    file: CatalogFile
    body: bytes
    report: tuple[str, ...]


def import_catalog(data: bytes, kind: str, *, label: str, source: str, as_of: str = "") -> Imported:
    """A price list of a `kind` in KINDS as a catalog. `source` says where it is from, `as_of` is the ISO date it was current.

    LiteLLM's map and genai-prices may be their JSON or their wheel. Raises CatalogError with one line.
    """
    if kind not in KINDS:
        raise CatalogError(f"unknown kind of price list {kind!r}: there are {', '.join(KINDS)}")
    log: list[str] = []
    try:
        entries = KINDS[kind](data, source, as_of, log)
        for entry in entries:
            if entry.match:
                test_of(entry.match)
        text = catalog_text(entries)
    except CatalogError:
        raise
    except re.error as error:
        raise CatalogError(f"a pattern of a model name is none: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, SyntaxError) as error:
        raise CatalogError(f"not a price list of kind {kind}: {error}"[:500]) from error
    if not text:
        raise CatalogError(f"no prices in this price list of kind {kind}")
    return Imported(CatalogFile(text, label), pack(text, label), tuple(sorted(set(log))))


def kind_of(data: bytes, name: str) -> str | None:
    """What kind of price list a file most likely is, by its name and its beginning; None where nothing tells."""
    lower = name.lower()
    if data[:2] == b"\x1f\x8b":
        return "spanledger"
    if data[:2] == b"PK":
        with zipfile.ZipFile(BytesIO(data)) as archive:
            names = set(archive.namelist())
        return "litellm" if _LITELLM_MAP in names else "genai-prices" if "genai_prices/data.py" in names else None
    if lower.endswith((".csv", ".toml")):
        return lower.rpartition(".")[2]
    start = data[:256].lstrip()[:1]
    return {b"[": "genai-prices", b"{": "litellm"}.get(start) if lower.endswith(".json") else None


def _litellm(data: bytes, source: str, as_of: str, log: list[str]) -> list[Entry]:
    text = _member(data, _LITELLM_MAP) if data[:2] == b"PK" else data
    if not isinstance(json.loads(text), dict):
        raise ValueError("LiteLLM's model map is a JSON object")
    return merge([], litellm.read(text.decode(), log), source, as_of, log)


def _genai(data: bytes, source: str, as_of: str, log: list[str]) -> list[Entry]:
    del as_of
    providers = genai_files.from_wheel(data, log) if data[:2] == b"PK" else genai_files.from_json(data, log)
    return genai.entries(providers, genai_files.units_of(providers), source, log)


def _csv(data: bytes, source: str, as_of: str, log: list[str]) -> list[Entry]:
    del as_of, log
    return tables.read_csv(data, source)


def _toml(data: bytes, source: str, as_of: str, log: list[str]) -> list[Entry]:
    del as_of, log
    return tables.read_toml(data, source)


def _own(data: bytes, source: str, as_of: str, log: list[str]) -> list[Entry]:
    del source, as_of, log
    return list(unpack(data).entries())


def _member(data: bytes, name: str) -> bytes:
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            if archive.getinfo(name).file_size > _UNPACKED_MAX:
                raise ValueError(f"{name} is too large")
            return archive.read(name)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"not a wheel with {name}") from error


KINDS: Final[dict[str, Callable[[bytes, str, str, list[str]], list[Entry]]]] = {
    "csv": _csv,
    "toml": _toml,
    "litellm": _litellm,
    "genai-prices": _genai,
    "spanledger": _own,
}
"""Kinds of price lists: one's own (csv, toml), LiteLLM's model map, genai-prices' data, and a catalog file of spanledger's."""
