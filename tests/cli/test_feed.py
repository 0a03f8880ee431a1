"""Finding export requests in files: every format, gzip, standard input, and bad files named but never fatal."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import pytest

from spanledger.cli.feed import BadInput, Request, find_inputs, read_input

SPANS = b'{"resourceSpans":[]}'


def _read(path: Path) -> list[Request | BadInput]:
    return [each for source in find_inputs([path]) for each in read_input(source)]


@pytest.mark.parametrize(
    ("name", "content", "encodings"),
    [
        ("a.pb", b"\x0a\x00", ["protobuf"]),
        ("a.traces.pb.gz", gzip.compress(b"\x0a\x00", mtime=0), ["protobuf"]),
        ("a.json", SPANS, ["json"]),
        ("a.json.gz", gzip.compress(SPANS, mtime=0), ["json"]),
        ("a.jsonl", SPANS + b"\n\n" + SPANS, ["json", "json"]),
        ("a.jsonl.gz", gzip.compress(SPANS + b"\n" + SPANS + b"\n", mtime=0), ["json", "json"]),
        ("a.jsonl", gzip.compress(SPANS, mtime=0), ["json"]),  # gzip without saying so
        ("export", SPANS + b"\n" + SPANS, ["json", "json"]),
        ("export", b'{\n"resourceSpans": []}', ["json"]),
        ("export", b"\x0a\x00", ["protobuf"]),
        ("a.pb", b"", ["protobuf"]),
    ],
)
def test_formats(tmp_path: Path, name: str, content: bytes, encodings: list[str]) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    found = _read(path)
    assert [each.encoding for each in found if isinstance(each, Request)] == encodings
    assert len(found) == len(encodings)


def test_a_folder_gives_its_trace_exports_by_name(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("0002.traces.pb", "0001.traces.pb", "0001.logs.pb", "0001.metrics.json", "notes.txt", "sub/a.jsonl"):
        (tmp_path / name).write_bytes(b"")
    assert [source.path and source.path.name for source in find_inputs([tmp_path])] == ["0001.traces.pb", "0002.traces.pb", "a.jsonl"]


def test_lines_of_other_signals_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"resourceLogs":[]}\n' + SPANS + b'\n{"resourceMetrics":[]}\n')
    assert [each.where for each in _read(path) if isinstance(each, Request)] == [f"{path}:2"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.pb.gz", gzip.compress(b"x" * 99, mtime=0)[:-9], "damaged gzip"),
        ("a.gz", b"\x1f\x8bnonsense", "damaged gzip"),
        ("missing.pb", None, "No such file"),
    ],
)
def test_bad_files_are_values(tmp_path: Path, name: str, content: bytes | None, said: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    (bad,) = _read(path)
    assert isinstance(bad, BadInput)
    assert str(path) in str(bad)
    assert said in str(bad)


def test_a_huge_request_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanledger.cli.feed.REQUEST_BYTES_MAX", 10)
    (tmp_path / "a.pb").write_bytes(b"x" * 11)
    (tmp_path / "b.jsonl").write_bytes(b"x" * 11)
    assert all(isinstance(each, BadInput) for each in (*_read(tmp_path / "a.pb"), *_read(tmp_path / "b.jsonl")))


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BufferedReader(io.BytesIO(SPANS))  # type: ignore[arg-type] # BytesIO is raw enough to read from

    monkeypatch.setattr(sys, "stdin", Stdin)
    (found,) = _read(Path("-"))
    assert isinstance(found, Request)
    assert found.body == SPANS
