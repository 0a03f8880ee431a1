"""Files of prices: what a file is, and its content read as a catalog or as terms, wholly or not at all."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, Literal, NamedTuple

from spanledger.cli.errors import UserError
from spanledger.enrich.catalog.exporting import packed
from spanledger.enrich.catalog.importing import import_catalog, kind_of
from spanledger.enrich.catalog.load import CatalogError, CatalogFile, unpack
from spanledger.enrich.terms import Terms, TermsError
from spanledger.store.catalogs import Kind

TERMS = "terms"
EXPORTED = "catalog"
"""A catalog as `prices export --format json` writes it, or as a release has it."""

_BYTES_MAX = 256 << 20
_TERMS_TABLES = frozenset({"contracts", "aliases", "customers", "currencies"})
_WHEEL = re.compile(r"(litellm|genai_prices)-([0-9][0-9A-Za-z.]*)-.*\.whl")
_PARTIAL = frozenset({"csv", "toml"})
"""Kinds of files that most often hold some prices and not all."""


class Read(NamedTuple):
    """What a file says: its id, the bytes to keep, the content, and what was rounded or left out in reading it."""

    kind: Kind
    id: str
    name: str
    source: str
    body: bytes
    content: CatalogFile | Terms
    remarks: tuple[str, ...] = ()


def read_prices(path: Path, kind: str | None = None, name: str | None = None, *, overlay: bool | None = None) -> Read:
    """Read a file of prices or terms. UserError names the place in it that is wrong, in one line."""
    with path.open("rb") as file:
        data = file.read(_BYTES_MAX + 1)
    if len(data) > _BYTES_MAX:
        raise UserError(f"{path} has more than {_BYTES_MAX >> 20} MiB, which no price list has")
    found = kind or _guess(data, path)
    if found is None:
        raise UserError(f"cannot tell what {path} is: say it with --as csv, toml, terms, litellm, genai-prices or catalog")
    called = name or _name(path)
    try:
        if found == TERMS:
            terms = Terms.from_bytes(data) if data[:1] == b"{" else Terms.from_toml(data.decode())
            return Read("terms", terms.terms_id, called, path.name, terms.to_bytes(), terms)
        if found == EXPORTED:
            body = packed(data) if data[:2] != b"\x1f\x8b" else data
            file_read = unpack(body)
            return Read(_use(found, overlay), file_read.id, called, path.name, body, file_read)
        imported = import_catalog(data, found, label=called, source=_source(path))
        return Read(_use(found, overlay), imported.file.id, called, path.name, imported.body, imported.file, imported.report)
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text") from error
    except (CatalogError, TermsError) as error:
        raise UserError(f"{path}: {error}") from error


def _use(kind: str, overlay: bool | None) -> Kind:
    return "overlay" if overlay or (overlay is None and kind in _PARTIAL) else "catalog"


def _name(path: Path) -> str:
    """The file's name without what says its form."""
    return path.name.removesuffix(".gz").rsplit(".", 1)[0] or path.name


def _source(path: Path) -> str:
    """Whose word the prices are: a wheel's package and version, else the file's name."""
    wheel = _WHEEL.fullmatch(path.name)
    return f"{wheel[1].replace('_', '-')} {wheel[2]}" if wheel else path.name


def _guess(data: bytes, path: Path) -> str | None:
    if data[:2] == b"\x1f\x8b":
        return EXPORTED
    if path.suffix.lower() == ".toml":
        return TERMS if _TERMS_TABLES & _toml_keys(data) else "toml"
    if path.suffix.lower() == ".json":
        return _guess_json(data)
    return kind_of(data, path.name)


def _toml_keys(data: bytes) -> set[str]:
    try:
        return set(tomllib.loads(data.decode()))
    except ValueError:
        return set()  # whoever reads it will say what is wrong


def _guess_json(data: bytes) -> str | None:
    try:
        said: Any = json.loads(data)
    except ValueError:
        return None
    if isinstance(said, list):
        return "genai-prices"
    keys: set[Literal["catalog_id"] | str] = set(said) if isinstance(said, dict) else set()
    if "catalog_id" in keys:
        return EXPORTED
    if "providers" in keys:
        return "genai-prices"
    return TERMS if keys and keys <= {*_TERMS_TABLES, "label"} else "litellm"
