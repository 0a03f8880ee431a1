"""Rows of a shape as a file: Parquet, CSV or JSON Lines, the same bytes for the same rows.

Money is exact in each of them: DECIMAL(38,18) in Parquet, plain decimal text in CSV and JSON Lines, which have no decimals of their own.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Protocol

from spanledger.store.entries import decimal_text

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS: Final = ("parquet", "csv", "jsonl")
_ROW_GROUP_ROWS: Final = 131_072


class Writer(Protocol):
    """Takes batches of rows and writes them to a binary file."""

    def add(self, rows: pa.Table) -> None:
        """Write these rows."""

    def size(self) -> int:
        """About how many bytes the file has by now."""

    def close(self) -> None:
        """Write what ends the file; the file itself stays open."""


class ParquetWriter:
    """A Parquet file that every reader understands: version 2.6, zstd, decimals as fixed-width bytes, times in microseconds of UTC."""

    def __init__(self, file: Any, schema: pa.Schema) -> None:
        import pyarrow.parquet as pq  # reports import this package and must not wait for Arrow

        self._file = file
        self._writer = pq.ParquetWriter(file, schema, compression="zstd", version="2.6", write_page_index=True)

    def add(self, rows: pa.Table) -> None:
        """Write these rows as row groups."""
        self._writer.write_table(rows, row_group_size=_ROW_GROUP_ROWS)

    def size(self) -> int:
        """Bytes of the row groups that are finished."""
        return int(self._file.tell())

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()


class TextWriter:
    """CSV with a header, RFC 4180, or a JSON object a line; UTF-8, a line feed after each line."""

    def __init__(self, file: Any, schema: pa.Schema, line: Callable[[list[str], tuple[Any, ...]], str], header: str) -> None:
        self._file, self._line, self._names = file, line, list(schema.names)
        self._size = 0
        self._write(header)

    def add(self, rows: pa.Table) -> None:
        """Write a line for each row."""
        columns = [rows.column(name).to_pylist() for name in self._names]
        self._write("".join([self._line(self._names, row) for row in zip(*columns, strict=True)]))

    def size(self) -> int:
        """Bytes written."""
        return self._size

    def close(self) -> None:
        """Nothing ends such a file."""

    def _write(self, text: str) -> None:
        raw = text.encode()
        self._file.write(raw)
        self._size += len(raw)


def _csv_line(_names: list[str], row: tuple[Any, ...]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([_cell(value) for value in row])
    return out.getvalue()


def _cell(value: Any) -> Any:
    """A value as CSV has it: NULL is empty, lists are JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))
    return "" if value is None else _plain(value)


def _json_line(names: list[str], row: tuple[Any, ...]) -> str:
    return json.dumps(dict(zip(names, map(_plain, row), strict=True)), ensure_ascii=False, separators=(",", ":")) + "\n"


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return decimal_text(value)
        case datetime():
            return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        case list():
            return [_plain(item) for item in value]
        case dict():
            return {name: _plain(item) for name, item in value.items()}
    return value


def writer(form: str, file: Any, schema: pa.Schema) -> Writer:
    """A writer of this format to an open binary file."""
    if form == "parquet":
        return ParquetWriter(file, schema)
    if form == "csv":
        return TextWriter(file, schema, _csv_line, _csv_line([], tuple(schema.names)))
    if form == "jsonl":
        return TextWriter(file, schema, _json_line, "")
    raise ValueError(form)
