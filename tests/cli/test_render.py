"""Rows in every format: money exact, ids whole, and nothing a stranger named something can do harm."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.cli.options import Format
from spanledger.cli.render import cell, decimal_text, markdown_text, plain, table_text, to_json, visible

COLUMNS = ("tenant", "calls", "cost_usd")
ROWS = [("acme", 12345, Decimal("0.000021200000000000")), (None, 2, None)]


def test_table_groups_thousands_and_shows_a_missing_cost_as_missing() -> None:
    lines = table_text(COLUMNS, ROWS, totals=("", 12347, Decimal("0.0000212"))).splitlines()
    assert lines[1].split() == ["tenant", "calls", "cost", "usd"]
    assert lines[3].split() == ["acme", "12,345", "0.0000212"]
    assert lines[4].split() == ["-", "2", "-"]
    assert lines[6].split() == ["12,347", "0.0000212"]


def test_json_has_rows_and_totals_with_money_as_text() -> None:
    document = json.loads(table_text(COLUMNS, ROWS, Format.json, totals=("", 12347, Decimal("0.0000212"))))
    assert document == {
        "rows": [{"tenant": "acme", "calls": 12345, "cost_usd": "0.0000212"}, {"tenant": None, "calls": 2, "cost_usd": None}],
        "totals": {"tenant": "", "calls": 12347, "cost_usd": "0.0000212"},
    }


def test_jsonl_is_one_row_a_line_without_totals() -> None:
    lines = table_text(COLUMNS, ROWS, Format.jsonl, totals=("", 12347, Decimal(0))).splitlines()
    assert [json.loads(line)["calls"] for line in lines] == [12345, 2]


def test_csv_leaves_numbers_alone_and_disarms_formulas() -> None:
    names = ["=HYPERLINK(1)", "+1", "-2", "@SUM(A1)", "\tx", " =1+1", "plain"]
    text = table_text(("name", "n"), [(name, -5) for name in names], Format.csv)
    rows = list(csv.reader(io.StringIO(text)))[1:]
    assert [row[1] for row in rows] == ["-5"] * len(names)
    assert [row[0][0] for row in rows[:-1]] == ["'"] * (len(names) - 1)
    assert rows[-1][0] == "plain"


def test_markdown_escapes_what_would_format() -> None:
    text = table_text(("name", "n"), [("a|b*[x](y)`<i>", 1)], Format.markdown, totals=(None, 1))
    assert text.splitlines() == ["| name | n |", "| --- | ---: |", r"| a\|b\*\[x\](y)\`\<i\> | 1 |", "|  | **1** |"]


def test_rich_markup_in_names_is_text() -> None:
    assert "[red]x[/red]" in table_text(("name",), [("[red]x[/red]",)])


@pytest.mark.parametrize("output", list(Format))
@pytest.mark.parametrize("hostile", ["\x1b[2J\x1b[1;1H", "\x9b31m", "a\u202egnp.exe", "\ufeffx", "a\rb", "\x00", "\ud800"])
def test_no_format_lets_a_control_character_through(output: Format, hostile: str) -> None:
    text = table_text(("name",), [(hostile,)], output)
    text.encode("utf-8")
    assert not set(text) & set("\x1b\x9b\u202e\ufeff\r\x00\ud800")


def test_the_terminals_width_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    text = table_text(("name", "cost_usd"), [("n" * 200, Decimal("1.5"))])
    assert max(len(line) for line in text.splitlines()) <= 50
    assert text.count("n") >= 200  # folded, not cut


def test_ids_are_whole_in_machine_formats() -> None:
    event_id = bytes(range(16))
    for output in (Format.json, Format.jsonl, Format.csv, Format.markdown):
        assert event_id.hex() in table_text(("event_id",), [(event_id,)], output)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=-(10**19), max_value=10**19))
def test_decimals_are_exact_and_plain(value: Decimal) -> None:
    text = decimal_text(value)
    assert Decimal(text) == value
    assert "E" not in text.upper()
    assert not ("." in text and text.endswith(("0", ".")))


@given(st.text())
def test_visible_text_is_idempotent_and_printable(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown
    assert "\x1b" not in shown
    assert "\n" not in shown


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text() | st.binary(), lambda inner: st.lists(inner, max_size=3)))
def test_json_is_always_valid(value: object) -> None:
    json.loads(to_json(value))


def test_plain_values() -> None:
    assert plain(datetime(2026, 11, 20, 10, 15, tzinfo=UTC)) == "2026-11-20T10:15:00+00:00"
    assert plain(date(2026, 11, 20)) == "2026-11-20"
    assert plain({"a": (Decimal("1.50"), b"\x01")}) == {"a": ["1.5", "01"]}
    assert plain(float("nan")) == "nan"
    assert plain(1.5) == 1.5
    assert cell([1, True]) == "[1,true]"
    assert cell(True) == "true"
    assert decimal_text(Decimal("NaN")) == "NaN"
    assert decimal_text(Decimal("-0.00")) == "0"
    assert markdown_text("a_b") == "a_b"


WIDE = (("tenant", "calls", "reasoning_tokens", "cost_usd"), [("a-tenant", 1_000_000, 2_000_000, Decimal("1234.567890123456789"))])


@pytest.mark.parametrize(
    ("width", "calls", "reasoning", "as_table"),
    [(120, True, True, True), (50, True, False, True), (42, False, False, True), (20, True, True, False)],
)
def test_a_narrow_terminal_loses_columns_but_never_a_digit(
    monkeypatch: pytest.MonkeyPatch, width: int, calls: bool, reasoning: bool, as_table: bool
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    text = table_text(*WIDE, optional=("reasoning_tokens", "calls"))
    assert "1,234.567890123456789" in text or "1234.567890123456789" in text
    assert ("1,000,000" in text, "2,000,000" in text, "\u2500" in text) == (calls, reasoning, as_table)
    assert ("left out for the width" in text) == (as_table and not (calls and reasoning))


def test_optional_columns_without_a_value_are_not_shown() -> None:
    assert "window" not in table_text(("unit", "window"), [("input_tokens", None)], optional=("window",))
    assert "window" in table_text(("unit", "window"), [("input_tokens", None)])


def test_very_many_rows_are_aligned_and_whole() -> None:
    rows = [(f"tenant-{number}", number, Decimal(number)) for number in range(2000)]
    lines = table_text(COLUMNS, rows, totals=("total", 1_999_000, Decimal(1_999_000))).splitlines()
    assert len(lines) == 2002
    assert len({len(line) for line in lines}) == 1
    assert lines[0].split() == ["tenant", "calls", "cost", "usd"]
    assert lines[1235].split() == ["tenant-1234", "1,234", "1234"]
