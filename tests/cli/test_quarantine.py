"""The quarantine file: bounded, without the sender's words, robust to a torn line."""

from __future__ import annotations

from pathlib import Path

from spanledger.cli.quarantine import Quarantine, older, read_quarantine
from spanledger.enrich.records import Problem


def test_problems_are_listed_without_their_message(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.jsonl"
    quarantine = Quarantine(path)
    quarantine.add([Problem("bad_id", "trace id 'my secret prompt'", 7, b"\x01" * 16, b"\x02" * 8)], 5)
    assert "secret" not in path.read_text()
    assert list(read_quarantine(path)) == [{"code": "bad_id", "position": 7, "trace_id": "01" * 16, "span_id": "02" * 8, "received_ns": 5}]
    assert quarantine.counts == {"bad_id": 1}


def test_a_problem_noted_again_after_a_crash_counts_once_and_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.jsonl"
    for _ in range(2):
        Quarantine(path).add([Problem("bad_id", "", 7)], 5)
    with path.open("a") as file:
        file.write('{"code": "bad')
    assert len(list(read_quarantine(path))) == 1


def test_the_file_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.jsonl"
    quarantine = Quarantine(path, bytes_max=1000)
    for position in range(200):
        quarantine.add([Problem("bad_id", "", position)], 5)
    assert path.stat().st_size < 1200
    assert older(path).stat().st_size < 1200
    assert list(read_quarantine(path))[-1]["position"] == 199


def test_nothing_to_note_makes_no_file(tmp_path: Path) -> None:
    Quarantine(tmp_path / "q").add([], 5)
    assert list(read_quarantine(tmp_path / "q")) == []
