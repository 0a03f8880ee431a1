"""Rows of a shape as a file: Parquet, CSV or JSON Lines, the same bytes for the same rows.

Money is exact in each of them: DECIMAL(38,18) in Parquet, plain decimal text in CSV and JSON Lines, which have no decimals of their own.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, Protocol

from spanledger.store.export.shapes import Shape, arrow_schema
from spanledger.store.export.text_lines import header_of, line_of

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


class Counted:
    """A binary file that is only written to, with the size and digest of what was written."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.size = 0
        self.digest = hashlib.sha256()
        self.closed = False

    def write(self, data: Any) -> int:
        """Write all of it."""
        view = memoryview(data)
        self._file.write(view)
        self.digest.update(view)
        self.size += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """How many bytes were written."""
        return self.size

    def flush(self) -> None:
        """Hand on what is buffered."""
        self._file.flush()

    def close(self) -> None:
        """The file is closed by who opened it."""

    def readable(self) -> bool:
        """It is not."""
        return False

    def writable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is not."""
        return False


class ParquetWriter:
    """A Parquet file that every reader understands: version 2.6, zstd, decimals as fixed-width bytes, times in microseconds of UTC."""

    def __init__(self, file: Any, schema: pa.Schema) -> None:
        import pyarrow.parquet as pq  # reports import this package and must not wait for Arrow

        self._file, self._schema = file, schema
        self._writer = pq.ParquetWriter(file, schema, compression="zstd", version="2.6", write_page_index=True)

    def add(self, rows: pa.Table) -> None:
        """Write these rows as row groups."""
        self._writer.write_table(rows.cast(self._schema), row_group_size=_ROW_GROUP_ROWS)

    def size(self) -> int:
        """Bytes of the row groups that are finished."""
        return int(self._file.tell())

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()


class TextWriter:
    """Lines of UTF-8, a line feed after each; the rows have one column, the lines."""

    def __init__(self, file: Any, header: str) -> None:
        self._file = file
        self._size = 0
        self._write(header)

    def add(self, rows: pa.Table) -> None:
        """Write a line for each row."""
        if rows.num_rows:
            self._write("\n".join(rows.column(0).to_pylist()) + "\n")

    def size(self) -> int:
        """Bytes written."""
        return self._size

    def close(self) -> None:
        """Nothing ends such a file."""

    def _write(self, text: str) -> None:
        raw = text.encode()
        self._file.write(raw)
        self._size += len(raw)


def rows_sql(shape: Shape, form: str, entries: str) -> str:
    """The query whose rows a writer of this format takes."""
    select = shape.select(entries)
    return select if form == "parquet" else f"SELECT {line_of(shape.columns, form)} AS line FROM ({select}) AS typed"  # noqa: S608 - our own text


def writer(form: str, file: Any, shape: Shape) -> Writer:
    """A writer of this format to an open binary file."""
    if form == "parquet":
        return ParquetWriter(file, arrow_schema(shape))
    if form in FORMATS:
        return TextWriter(file, header_of(shape.columns, form))
    raise ValueError(form)
