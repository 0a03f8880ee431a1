"""Log lines: one line each, as text or JSON, whatever is in them."""

from __future__ import annotations

import json
import logging
import re
import sqlite3
from collections.abc import Iterator

import pytest

from spanledger.cli.log import LogFormat, fault, start_logging
from spanledger.store.errors import LedgerBusyError


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


@pytest.mark.parametrize("kind", LogFormat)
@pytest.mark.parametrize("debugging", ["", "1"])
def test_an_error_that_may_quote_a_sender_is_told_by_kind_and_place(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kind: LogFormat, debugging: str
) -> None:
    monkeypatch.setenv("SPANLEDGER_DEBUG", debugging)
    start_logging(kind, "worker")
    try:
        {}["tell nobody\nof this"]
    except KeyError:
        logging.getLogger("a.library").exception("could not")
    (line,) = capsys.readouterr().err.splitlines()
    assert "nobody" not in line
    assert re.search(r"could not: KeyError (at|by) test_log\.py:\d+", line)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (LedgerBusyError("another process\nwrites"), "LedgerBusyError: another process writes"),
        (OSError(28, "No space left on device", "/data/x"), "OSError: No space left on device: /data/x"),
        (OSError("a server's words"), "OSError"),
        (sqlite3.OperationalError("database or disk is full"), "OperationalError: database or disk is full"),
        (ValueError("invalid literal: 'tell nobody'"), "ValueError"),
    ],
)
def test_words_are_told_where_they_are_ours_or_the_systems(error: Exception, told: str) -> None:
    assert fault(error) == told


def test_the_way_is_told_to_who_looks_for_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANLEDGER_DEBUG", "1")
    with pytest.raises(ValueError, match="x") as caught:
        int("x")
    assert re.fullmatch(r"ValueError by test_log\.py:\d+", fault(caught.value))


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
