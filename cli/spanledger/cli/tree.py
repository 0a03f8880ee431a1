"""`tree`: a trace's spans under their parents, each with its own cost and that of everything below it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any, NamedTuple

from spanledger.cli.access import open_ledger
from spanledger.cli.errors import UserError
from spanledger.cli.explaining import current
from spanledger.cli.render import cell, decimal_text
from spanledger.store.entries import find
from spanledger.store.times import parse_moment

_DEPTH_SHOWN_MAX = 40


class Branch(NamedTuple):
    """One span in the printed tree: how deep it stands, the span, its own and total cost, and a remark."""

    depth: int
    span: Mapping[str, Any]
    own_usd: Decimal | None
    total_usd: Decimal
    remark: str


def branches(spans: Sequence[Mapping[str, Any]], entries: Sequence[Mapping[str, Any]]) -> list[Branch]:
    """The spans in the order of a tree. Spans whose parent is missing, or stands below themselves, are roots."""
    by_id = {span["span_id"]: span for span in spans}
    live = current(entries)
    own: dict[str, Decimal] = {}
    with localcontext(prec=76):
        for entry in live:
            if entry["cost_usd"] is not None:
                own[entry["span_id"]] = own.get(entry["span_id"], Decimal()) + Decimal(entry["cost_usd"])
        charged = {entry["span_id"] for entry in live}
        suppressed = {span_id for entry in live for span_id in entry["suppressed_span_ids"]}
        children: dict[str | None, list[str]] = {}
        for span_id, span in by_id.items():
            parent = span["parent_span_id"] if span["parent_span_id"] in by_id else None
            children.setdefault(parent, []).append(span_id)
        order = list(_walk(children, by_id))
        totals = {span_id: own.get(span_id, Decimal()) for span_id in by_id}
        for _, span_id in reversed(order):
            parent = by_id[span_id]["parent_span_id"]
            if parent in totals:
                totals[parent] += totals[span_id]
    return [
        Branch(depth, by_id[span_id], own.get(span_id), totals[span_id], _remark(span_id, charged, own, suppressed))
        for depth, span_id in order
    ]


def _walk(children: Mapping[str | None, list[str]], by_id: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Depth first, without recursion: traces can be deeper than Python's stack. Cycles are entered once, anywhere."""
    seen: set[str] = set()
    for start in [*children.get(None, ()), *by_id]:
        todo = [(0, start)]
        while todo:
            depth, span_id = todo.pop()
            if span_id in seen:
                continue
            seen.add(span_id)
            yield depth, span_id
            todo.extend((depth + 1, child) for child in reversed(children.get(span_id, [])))


def _remark(span_id: str, charged: set[str], own: Mapping[str, Decimal], suppressed: set[str]) -> str:
    if span_id in charged:
        return "" if span_id in own else "unpriced"
    return "told again, not charged" if span_id in suppressed else ""


def print_tree(data: Path, trace_id: str, *, as_of: str | None = None) -> None:
    """Print the tree of a trace, as it stood at a time if asked; UserError if the ledger does not have it."""
    with open_ledger(data) as ledger:
        found = find(ledger, trace_id, as_of_ns=parse_moment(as_of, time.time_ns()))
    spans = [span for span in found.spans if span["trace_id"] == trace_id.strip().lower()]
    if not spans:
        raise UserError(f"the ledger has no trace {trace_id}: give the 32 hex digits that `events` and `explain` show")
    for branch in branches(spans, found.entries):
        sys.stdout.write(_line(branch) + "\n")


def _line(branch: Branch) -> str:
    span = branch.span
    model = span["response_model"] or span["request_model"] or span["tool_name"]
    words = [
        span["kind"],
        span["operation"] if span["operation"] != span["kind"] else None,
        model,
        span["service"] if not branch.depth else None,
    ]
    cost = "" if branch.own_usd is None else f" own {decimal_text(branch.own_usd)}"
    total = f" total {decimal_text(branch.total_usd)}" if branch.total_usd and branch.total_usd != branch.own_usd else ""
    remark = f" ({branch.remark})" if branch.remark else ""
    indent = "  " * min(branch.depth, _DEPTH_SHOWN_MAX)
    return f"{indent}{span['span_id']} {' '.join(cell(word) for word in words if word)}{cost}{total}{remark}"
