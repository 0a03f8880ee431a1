"""docs/conformance.md says what a run says."""

from pathlib import Path
from typing import Any

import pytest
from scripts.conformance_table import BEGIN, END, PAGE, main, page_with, tables

from tests.conformance.judge import Verdict, judge
from tests.conformance.road import expected


def test_the_page_is_what_a_run_says(plain_run: Any) -> None:
    page = PAGE.read_text("utf-8")
    assert page == page_with(page, tables(lambda name: judge(plain_run(name), expected(name)))), "run: python -m scripts.conformance_table"


def test_a_page_that_drifted_is_noticed_and_written_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def verdict_of(name: str) -> Verdict:
        return Verdict(calls=2, exact=1 if name == "strands/agent" else 2)

    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}old\n{END}\nafter\n")
    assert main(["--check"], verdict_of, page) == 1
    assert main([], verdict_of, page) == 0
    assert main(["--check"], verdict_of, page) == 0
    assert capsys.readouterr().out.splitlines()[0] == "page.md is out of date: run python -m scripts.conformance_table"
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}")
    assert text.endswith(f"{END}\nafter\n")
    assert "| **all 56** | | **175** | 349/350 | 0 | 0/0 | 0/0 |" in text
    assert "| openlit-anthropic | anthropic 0.125.0, openlit 1.45.0 |" in text
    assert "`openlit.instrumentation.anthropic" in text


def test_a_page_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="has lost its marks"):
        page_with("no marks", "text")
