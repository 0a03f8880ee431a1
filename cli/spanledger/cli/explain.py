"""`explain`: finds what an id stands for in the ledger and writes its explanation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from spanledger.cli.errors import UserError
from spanledger.cli.explaining import Entry, explain_charge
from spanledger.cli.explanation_text import as_markdown, as_text
from spanledger.cli.pricelist import rate_finder
from spanledger.cli.render import to_json
from spanledger.store.entries import Found, find
from spanledger.store.ledger import Ledger


def explanations(data: Path, identifier: str) -> list[dict[str, Any]]:
    """The explanation of every charge that an id leads to; UserError where there is none."""
    with Ledger.open(data, read_only=True) as ledger:
        found = find(ledger, identifier)
    if not found.entries:
        raise UserError(_nothing_charged(found, identifier))
    spans = {span["span_id"]: span for span in found.spans}
    finder = rate_finder()
    return [explain_charge(history, spans, finder) for history in _by_span(found.entries)]


def _by_span(entries: list[dict[str, Any]]) -> list[list[Entry]]:
    groups: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry["authority"], entry["trace_id"], entry["span_id"]), []).append(entry)
    return list(groups.values())


def _nothing_charged(found: Found, identifier: str) -> str:
    """Why there is nothing to explain, and where to look."""
    if not found.spans:
        return f"nothing in the ledger has the id {identifier}; give an event id, span id, trace id or response id as `events` shows them"
    trace_id = found.spans[0]["trace_id"]
    return f"{identifier} is a stored span that is not charged: it restates others or is no call; see `spanledger tree {trace_id}`"


def explain_to(data: Path, identifier: str, output: str) -> None:
    """Write the explanations of an id to standard output as text, json or markdown."""
    documents = explanations(data, identifier)
    if output == "json":
        sys.stdout.write(to_json(documents if len(documents) > 1 else documents[0], indent=2) + "\n")
        return
    write = as_markdown if output == "markdown" else as_text
    sys.stdout.write("\n".join(write(document) for document in documents))
