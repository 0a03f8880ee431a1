"""Log lines: one line each, as text or JSON, whatever is in them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from spanledger.cli.log import LogFormat, start_logging


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def test_json_lines_hold_hostile_text_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging(LogFormat.json, "server")
    logging.getLogger("spanledger.x").info("took %s", "a\nb\x1b[2J")
    fields = json.loads(capsys.readouterr().err)
    assert fields["message"] == "took a b [2J"
    assert (fields["level"], fields["process"], fields["logger"]) == ("info", "server", "spanledger.x")
    assert fields["time"].endswith("Z")


def test_text_lines_name_the_error_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging(LogFormat.text, "worker")
    try:
        raise ValueError("bad\nthing")
    except ValueError:
        logging.getLogger("spanledger.x").exception("could not")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("could not: ValueError: bad thing")


def test_libraries_speak_only_to_warn(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging(LogFormat.text, "server")
    logging.getLogger("other").info("chatter")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", LogFormat)
def test_what_a_line_is_about_is_a_field_of_its_own(capsys: pytest.CaptureFixture[str], kind: LogFormat) -> None:
    start_logging(kind, "server")
    logging.getLogger("spanledger.x").error("failed", extra={"request": "a1b2", "journal_position": 7, "secret": "never"})
    said = capsys.readouterr().err
    if kind is LogFormat.json:
        fields = json.loads(said)
        assert (fields["request"], fields["journal_position"]) == ("a1b2", 7)
    else:
        assert said.endswith("failed request=a1b2 journal_position=7\n")
    assert "never" not in said
