"""`dialects`: which emitters are known, and how spans were read, as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from spanledger.cli.config import Config
from spanledger.cli.span_report import SpanRow
from spanledger.cli.tree import branches
from spanledger.enrich.config import rules_from
from spanledger.enrich.dialects.dialect import When

LIST_OPTIONAL: Final = ("seen", "when", "versions", "scopes")
TEST_OPTIONAL: Final = ("found", "scope", "flags", "unread", "dialect")
TEST_TABLE: Final = ("span", "scope", "kind", "dialect", "model", "usage", "payers", "found", "settled", "cost_usd", "flags", "unread")
"""What the table for people shows; the other formats have every column of SpanRow."""


class Known(NamedTuple):
    """One dialect as `dialects list` shows it; `priority` is the order in which they are asked."""

    priority: int
    name: str
    scopes: str
    versions: str
    when: str
    seen: str


def known_dialects(config: Config) -> list[Known]:
    """Every dialect in the order it is asked: the configured ones first."""
    dialects = rules_from(config.enrich).dialects
    return [
        Known(n, d.name, ", ".join(d.scopes) or "any", d.versions or "any", when_text(d.when) or "always", d.seen or "")
        for n, d in enumerate(dialects, 1)
    ]


def when_text(when: When) -> str:
    """A condition in words; "" for one that always holds."""
    parts = [
        f"has {' and '.join(when.keys)}" if when.keys else "",
        f"has one of {', '.join(when.any_keys)}" if when.any_keys else "",
        f"has none of {', '.join(when.without)}" if when.without else "",
        *(f"{ref} is {' or '.join(texts)}" for ref, texts in when.values.items()),
        *(f"{ref} is below {limit}" for ref, limit in when.below.items()),
    ]
    return "; ".join(part for part in parts if part)


def says_something(row: SpanRow) -> bool:
    """Whether a span matters to a meter: it has a dialect, a payer or a number that nobody reads."""
    return bool(row.dialect or row.payers or row.unread)


def table_rows(rows: Sequence[SpanRow]) -> list[list[Any]]:
    """The rows as TEST_TABLE shows them: trace by trace, each as a tree of the rows that are shown."""
    by_trace: dict[str, list[SpanRow]] = {}
    for row in rows:
        by_trace.setdefault(row.trace_id, []).append(row)
    return [
        [
            "  " * min(depth, 12) + (row.name or row.span_id),
            row.scope,
            row.kind if row.operation in (None, row.kind) else f"{row.kind}: {row.operation}",
            row.dialect,
            row.response_model or row.request_model,
            _usage_text(row),
            ", ".join(f"{field} {value}" for field, value in row.payers.items()) or None,
            ", ".join(dict.fromkeys(row.found.values())) or None,
            row.settled,
            row.cost_usd,
            ", ".join(row.flags) or None,
            ", ".join(row.unread) or None,
        ]
        for trace in by_trace.values()
        for depth, row in _tree(trace)
    ]


def _tree(rows: Sequence[SpanRow]) -> Iterator[tuple[int, SpanRow]]:
    """The rows of one trace, each below its parent, with their depth."""
    by_id = {row.span_id: row for row in rows}
    for branch in branches([row._asdict() for row in rows], ()):
        yield branch.depth, by_id[branch.span["span_id"]]


def _usage_text(row: SpanRow) -> str | None:
    """Usage in a few words: 2,084 in (1,024 cache read), 1,549 out (1,255 reasoning)."""
    if row.input_tokens is None and row.output_tokens is None and not row.extra:
        return None
    parts = [("cache read", row.cache_read_tokens), ("cache write", row.cache_write_tokens), ("of it 1h", row.cache_write_1h_tokens)]
    given = _with_parts("in", row.input_tokens, parts)
    made = _with_parts("out", row.output_tokens, [("reasoning", row.reasoning_tokens)])
    more = [f"{count:,} {unit.replace('_', ' ')}" for unit, count in row.extra.items()]
    state = [] if row.usage_state in ("measured", "aggregate", None) else [row.usage_state]
    return ", ".join([given, made, *more, *state])


def _with_parts(word: str, total: int | None, parts: Iterable[tuple[str, int | None]]) -> str:
    inside = ", ".join(f"{count:,} {name}" for name, count in parts if count)
    return f"{'?' if total is None else format(total, ',')} {word}" + (f" ({inside})" if inside else "")
