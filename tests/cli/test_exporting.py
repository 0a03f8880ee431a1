"""`spanledger export` as it is typed: files in the target, a sentence on standard error, one line for what cannot be done."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import duckdb

from tests.cli.ledgers import small_ledger
from tests.cli.runner import spanledger


def test_an_export_and_what_came_since(tmp_path: Path) -> None:
    data = small_ledger(tmp_path)
    first = spanledger("export", "--data", data, "--to", tmp_path / "out", "--shape", "lines", "--since-last")
    assert (first.code, first.out) == (0, "")
    assert first.err.strip() == f"10 rows of lines in 1 file ({size(tmp_path)} bytes, 0.00084 USD) to {tmp_path}/out/lines: entries 1 to 6"
    again = spanledger("export", "--data", data, "--to", tmp_path / "out", "--shape", "lines", "--since-last")
    assert (again.code, again.err.strip()) == (0, f"nothing new for {tmp_path}/out/lines")
    with duckdb.connect() as connection:
        files = f"{tmp_path}/out/lines/event_date=*/*.parquet"
        assert connection.execute("SELECT sum(cost_usd) FROM read_parquet(?)", [files]).fetchone() == (Decimal("0.00084"),)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("part-*.parquet"))


def test_what_cannot_be_done_is_said_in_a_line(tmp_path: Path) -> None:
    data = small_ledger(tmp_path)
    for arguments, complaint in {
        ("--to", "ftp://x/y"): "ftp:// is no target: a folder, s3://, gs:// or az:// is",
        (
            "--to",
            str(tmp_path / "out"),
            "--shape",
            "daily",
        ): "there is no shape 'daily'; there are events, lines, hourly, focus",
    }.items():
        answer = spanledger("export", "--data", data, *arguments)
        assert answer.code in (1, 2)
        assert complaint in answer.err
        assert "Traceback" not in answer.err


def test_focus_says_what_is_left_out_and_is_checked_first(tmp_path: Path) -> None:
    """The small ledger has a model that nobody knows, and a call that failed before it cost anything."""
    data = small_ledger(tmp_path)
    answer = spanledger("export", "--data", data, "--to", tmp_path / "out", "--shape", "focus", "--check")
    assert answer.code == 0, answer.err
    assert "2 calls have no price and are not in it" in answer.err
    assert list((tmp_path / "out/focus").rglob("part-*.parquet"))
    refused = spanledger("export", "--data", data, "--to", tmp_path / "out", "--shape", "lines", "--check")
    assert refused.code != 0
    assert "--check is of the rules of FOCUS" in refused.err
