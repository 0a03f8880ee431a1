"""An explanation as text for a terminal and as Markdown for a document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from spanledger.cli.render import cell, markdown_text

_WIDTH = 18


def as_text(document: Mapping[str, Any]) -> str:
    """The explanation as plain text."""
    return "\n".join(_lines(document, _TextStyle())) + "\n"


def as_markdown(document: Mapping[str, Any]) -> str:
    """The explanation as Markdown."""
    return "\n".join(_lines(document, _MarkdownStyle())) + "\n"


class _TextStyle:
    def heading(self, text: str) -> list[str]:
        return ["", text, "─" * len(text)]

    def fact(self, name: str, value: Any) -> str:
        return f"  {name:<{_WIDTH}} {cell(value)}"

    def item(self, text: str) -> str:
        return f"  {text}"

    def text(self, value: Any) -> str:
        return cell(value)


class _MarkdownStyle(_TextStyle):
    def heading(self, text: str) -> list[str]:
        return ["", f"## {markdown_text(text)}", ""]

    def fact(self, name: str, value: Any) -> str:
        return f"- {name}: {self.text(value)}"

    def item(self, text: str) -> str:
        return f"- {text}"

    def text(self, value: Any) -> str:
        return markdown_text(cell(value))


def _lines(document: Mapping[str, Any], style: _TextStyle) -> Iterable[str]:
    identity = document["identity"]
    model = identity["response_model"] or identity["request_model"] or "?"
    total = document["price"]["total_usd"]
    cost = "unpriced" if total is None else f"{total} USD"
    state = cost if document["charged"] else "not charged (reversed)"
    yield f"{style.text(identity['operation'] or 'call')} {style.text(model)}: {state}"
    yield from _section("What was called", identity, style)
    yield from style.heading("Who pays")
    for payer in document["payers"]:
        yield from _facts({"tenant": payer["tenant"] or "nobody: unattributed", **{k: v for k, v in payer.items() if k != "tenant"}}, style)
    yield from _usage(document["usage"], style)
    yield from _price(document["price"], style)
    yield from _others(document["suppressed"], style)
    yield from style.heading("Entries in the ledger, in order")
    for entry in document["history"]:
        why = f" - {style.text(entry['reason'])}" if entry["reason"] else ""
        amount = "unpriced" if entry["cost_usd"] is None else f"{entry['cost_usd']} USD"
        yield style.item(
            f"{entry['booked']} {entry['kind']} {entry['event_id']} {amount} to {style.text(entry['tenant'] or 'nobody')}{why}"
        )
    yield from _section("Evidence", document["evidence"], style)


def _section(title: str, facts: Mapping[str, Any], style: _TextStyle) -> list[str]:
    return [*style.heading(title), *_facts(facts, style)]


def _facts(facts: Mapping[str, Any], style: _TextStyle) -> list[str]:
    return [style.fact(name.replace("_", " "), value) for name, value in facts.items() if value not in (None, [], "")]


def _usage(usage: Mapping[str, Any], style: _TextStyle) -> Iterable[str]:
    yield from _section("What was used", {"read by dialect": usage["dialect"], "by rule": usage["rule"], "state": usage["state"]}, style)
    for quantity in usage["quantities"]:
        part = f" (part of {quantity['part_of']})" if quantity["part_of"] else ""
        yield style.item(f"{quantity['quantity']:>12,} {style.text(quantity['unit'])}{part}")


def _price(price: Mapping[str, Any], style: _TextStyle) -> Iterable[str]:
    yield from style.heading("What it costs")
    for part in price["parts"]:
        if len(price["parts"]) > 1:
            yield style.item(f"share of {style.text(part['tenant'])}:")
        if part["state"] == "unpriced":
            yield style.item(f"unpriced - {style.text(part['reason'])}")
        for line in part["lines"]:
            yield style.item(f"{style.text(line['unit'])}: {line['arithmetic']} USD")
            where = [line["source"], _dates(line), f"rate {line['rate_id']}"]
            yield style.item(f"    {style.text(', '.join(each for each in where if each))}")
        if part["cost_usd"] is not None and part["lines"]:
            yield style.item(f"{' + '.join(line['cost_usd'] for line in part['lines'])} = {part['cost_usd']} USD")
    if len(price["parts"]) > 1 and price["total_usd"] is not None:
        yield style.item(f"together {price['total_usd']} USD")


def _dates(line: Mapping[str, Any]) -> str | None:
    """From when to when a rate holds; None for one whose source we do not know."""
    begins, ends = line["effective_from"], line["effective_to"]
    if line["source"] is None and not (begins or ends):
        return None
    first = f"in force from {begins}" if begins else "undated (in force as long as the catalog knows)"
    return f"{first}, until {ends}" if ends else first


def _others(suppressed: list[Mapping[str, Any]], style: _TextStyle) -> Iterable[str]:
    if not suppressed:
        return
    yield from style.heading("Other spans of the same call, not charged")
    for span in suppressed:
        counts = f"{span['input_tokens']:,} in, {span['output_tokens'] or 0:,} out" if span.get("input_tokens") is not None else None
        told = [style.text(each) for each in (span.get("operation"), span.get("model"), span.get("scope"), counts) if each]
        yield style.item(" ".join([style.text(span["span_id"]), ", ".join(told)]).rstrip())
