"""Finds stored OTLP export requests in files, folders and standard input, and gives their bytes one request at a time."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Literal, NamedTuple, cast

from spanledger.cli.errors import UserError

REQUEST_BYTES_MAX = 256 << 20
"""The largest request taken from a file, inflated: far beyond what an exporter sends, well within memory."""

Encoding = Literal["protobuf", "json"]
_SUFFIXES = {".pb": "protobuf", ".binpb": "protobuf", ".json": "json", ".jsonl": "lines", ".ndjson": "lines"}
_OTHER_SIGNALS = (".logs.", ".metrics.", ".profiles.")
_SPAN_KEYS = (b'"resourceSpans"', b'"resource_spans"')
_OTHER_KEYS = (b'"resourceLogs"', b'"resourceMetrics"', b'"resourceProfiles"')


class BadInput(UserError):  # noqa: N818 - also used as a value, not only raised
    """A file, or a line of one, that holds no export request we can read."""


class Request(NamedTuple):
    """One export request as stored: its bytes, how they are encoded, and where it was found."""

    body: bytes
    encoding: Encoding
    where: str


class Input(NamedTuple):
    """A file to read (None: standard input), the name to call it by, and its size on disk."""

    path: Path | None
    name: str
    size_bytes: int


def find_inputs(paths: Sequence[Path]) -> list[Input]:
    """The files that paths stand for: a folder gives those inside it that look like trace exports, by name."""
    found: list[Input] = []
    for path in paths:
        if str(path) == "-":
            found.append(Input(None, "standard input", 0))
        elif path.is_dir():
            inside = [each for each in sorted(path.rglob("*")) if each.is_file() and _looks_like_export(each)]
            found += [Input(each, str(each), each.stat().st_size) for each in inside]
        else:
            found.append(Input(path, str(path), path.stat().st_size if path.is_file() else 0))
    return found


def _looks_like_export(path: Path) -> bool:
    name = path.name.lower()
    return _suffix(path) in _SUFFIXES and not any(signal in name for signal in _OTHER_SIGNALS)


def _suffix(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def read_input(source: Input) -> Iterator[Request | BadInput]:
    """The requests of one input; a line that is none comes as a BadInput value, a file that is none ends in one."""
    try:
        with ExitStack() as stack:
            yield from _requests(_opened(source, stack), source)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        yield BadInput(f"{source.name}: damaged gzip data ({error})")
    except IsADirectoryError:
        yield BadInput(f"{source.name}: is a folder")
    except OSError as error:
        yield BadInput(f"{source.name}: {error.strerror or error}")


def _opened(source: Input, stack: ExitStack) -> IO[bytes]:
    """The bytes of an input, inflated if they are gzip, whatever the name says."""
    raw: IO[bytes] = sys.stdin.buffer if source.path is None else stack.enter_context(source.path.open("rb"))
    if not isinstance(raw, io.BufferedReader) or raw.peek(2)[:2] != b"\x1f\x8b":
        return raw
    return cast("IO[bytes]", stack.enter_context(gzip.GzipFile(fileobj=raw)))


def _requests(file: IO[bytes], source: Input) -> Iterator[Request | BadInput]:
    kind = _SUFFIXES.get(_suffix(source.path)) if source.path is not None else None
    if kind == "lines":
        yield from _lines(file, source)
        return
    body = file.read(REQUEST_BYTES_MAX + 1)
    if len(body) > REQUEST_BYTES_MAX:
        yield BadInput(f"{source.name}: more than {REQUEST_BYTES_MAX >> 20} MiB in one request; store one request a file, or JSON lines")
        return
    if kind is None:
        kind = "lines" if body.lstrip()[:1] == b"{" else "protobuf"
        if kind == "lines":
            yield from _sniffed(body, source)
            return
    yield Request(body, "protobuf" if kind == "protobuf" else "json", source.name)


def _sniffed(body: bytes, source: Input) -> Iterator[Request | BadInput]:
    """JSON without a telling name: lines when the first line is whole by itself, else one document."""
    import json

    try:
        json.loads(body.lstrip().split(b"\n", 1)[0])
    except ValueError:
        yield Request(body, "json", source.name)
    else:
        yield from _lines(io.BytesIO(body), source)


def _lines(file: IO[bytes], source: Input) -> Iterator[Request | BadInput]:
    """JSON lines as the Collector's file exporter writes them; lines of other signals are passed over."""
    for number, line in enumerate(iter(lambda: file.readline(REQUEST_BYTES_MAX + 1), b""), 1):
        where = f"{source.name}:{number}"
        if len(line) > REQUEST_BYTES_MAX:
            yield BadInput(f"{where}: a line of more than {REQUEST_BYTES_MAX >> 20} MiB")
            return
        if not line.strip() or (any(key in line for key in _OTHER_KEYS) and not any(key in line for key in _SPAN_KEYS)):
            continue
        yield Request(line, "json", where)
