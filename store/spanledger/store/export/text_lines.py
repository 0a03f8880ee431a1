"""Rows as lines of text, made in SQL: CSV after RFC 4180, or a JSON object a line. Python would take a minute for a million rows.

Money is plain decimal text in both, without trailing zeros and without an exponent, so no reader makes a float of it; times are RFC 3339 in
UTC; lists are JSON. In CSV NULL is an empty field.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from spanledger.store.export.shapes import ExportColumn

_QUOTED: Final = ("text", "texts", "usage", "lines", "json")
"""Types whose text may hold what CSV needs quotes for."""


def line_of(columns: Sequence[ExportColumn], form: str) -> str:
    """The expression that makes a line, without its end, of a row of these columns: `form` is "csv" or "jsonl"."""
    if form == "jsonl":
        pairs = ", ".join(f"'{column.name}', {_json(column)}" for column in columns)
        return f"CAST(json_object({pairs}) AS VARCHAR)"
    return " || ',' || ".join(_cell(column) for column in columns)


def header_of(columns: Sequence[ExportColumn], form: str) -> str:
    """What stands above the lines."""
    return ",".join(column.name for column in columns) + "\n" if form == "csv" else ""


def _json(column: ExportColumn) -> str:
    """A value as JSON has it: numbers and booleans as they are, NULL as null, all else as text or lists."""
    name = f'"{column.name}"'
    match column.type:
        case "money" | "decimal":
            return _plain_decimal(name)
        case "timestamp":
            return _rfc3339(name)
        case "lines":
            fields = "unit: line.unit, quantity: line.quantity, rate_id: line.rate_id, amount: line.amount, per: line.per"
            return f"list_transform({name}, lambda line: {{{fields}, cost_usd: {_plain_decimal('line.cost_usd')}}})"
    return name


def _cell(column: ExportColumn) -> str:
    """A field of CSV."""
    text = _json(column)
    if column.type in ("texts", "usage", "lines"):
        text = f"to_json({text})"
    text = f"CAST({text} AS VARCHAR)"
    if column.type in _QUOTED:
        text = f"""CASE WHEN regexp_matches({text}, '[",\\r\\n]') THEN '"' || replace({text}, '"', '""') || '"' ELSE {text} END"""
    return f"coalesce({text}, '')"


def _plain_decimal(value: str) -> str:
    """18 decimals less the zeros at their end."""
    return f"rtrim(rtrim(CAST({value} AS VARCHAR), '0'), '.')"


def _rfc3339(value: str) -> str:
    return f"strftime({value}, '%Y-%m-%dT%H:%M:%S.%fZ')"
