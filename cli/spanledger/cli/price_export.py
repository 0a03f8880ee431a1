"""`prices export`: a catalog, overlay, book or terms as text that can be kept, compared, edited and imported again."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spanledger.cli.errors import UserError
from spanledger.cli.price_folder import reading
from spanledger.enrich.catalog.exporting import csv_text, json_text, toml_text
from spanledger.enrich.catalog.load import CatalogFile
from spanledger.enrich.terms import Terms
from spanledger.store.catalogs import content_of
from spanledger.store.metastore import Metastore
from spanledger.store.price_words import lone


def export_to(data: Path, name: str, form: str) -> None:
    """Write what a name or id means to standard output, as csv, toml or json."""
    with reading(data) as metastore:
        content = _content(metastore, name)
    lines = _terms_text(content, form) if isinstance(content, Terms) else _catalog_text(content, form)
    for line in lines:
        sys.stdout.write(line)


def _content(metastore: Metastore | None, name: str) -> CatalogFile | Terms:
    ids = lone(metastore, name).ids
    if len(ids) > 1:
        raise UserError(f"{name} is a book of {len(ids)} parts: export one of {', '.join(ids)}")
    return content_of(metastore, ids[0])


def _catalog_text(file: CatalogFile, form: str) -> Iterator[str]:
    if form == "json":
        return json_text(file)
    return csv_text(file.entries()) if form == "csv" else toml_text(file.entries())


def _terms_text(terms: Terms, form: str) -> Iterator[str]:
    if form == "csv":
        raise UserError("terms are no table: export them with --format toml or json")
    said = terms.config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if form == "json":
        yield json.dumps(said, ensure_ascii=False, indent=2) + "\n"
        return
    for key, value in said.items():
        if not isinstance(value, list):
            yield f"{key} = {_toml(value)}\n"
    for table, rows in said.items():
        for row in rows if isinstance(rows, list) else ():
            yield f"\n[[{table}]]\n"
            yield from (f"{key} = {_toml(value)}\n" for key, value in row.items())


def _toml(value: Any) -> str:
    """A value of terms as TOML on one line: texts, whole numbers, lists and tables are all there are."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return str(value) if isinstance(value, int) else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
