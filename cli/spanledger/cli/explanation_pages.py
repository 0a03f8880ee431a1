"""Explanations as pages: the document of a charge, or of a report cell, in sections that a person can follow from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spanledger.cli.pages import Block, Facts, Grid, Heading, Item, Items, Note, Page

_MONEY = (
    ("list_cost_usd", "at list prices"),
    ("contracted_cost_usd", "at contracted prices"),
    ("customer_price_usd", "charged to the customer"),
)
Document = Mapping[str, Any]


def charge_page(document: Document, *, customer: bool = False) -> Page:
    """The page of one charge."""
    return Page(charge_title(document, customer=customer), list(charge_blocks(document, customer=customer)))


def charge_title(document: Document, *, customer: bool) -> str:
    """What was called and what it costs."""
    identity = document["identity"]
    model = identity["response_model"] or identity["request_model"] or "?"
    total = document["price"].get("customer_price_usd" if customer else "total_usd")
    unknown = "no price" if customer else "unpriced"
    state = (unknown if total is None else f"{total} USD") if document["charged"] else "not charged (reversed)"
    return f"{identity['operation'] or 'call'} {model}: {state}"


def charge_blocks(document: Document, *, customer: bool = False, level: int = 2) -> Iterator[Block]:
    """The sections of a charge; `level` is that of their headings."""
    yield Heading("What was called", level)
    yield _facts(document["identity"])
    yield Heading("Who pays", level)
    for payer in document["payers"]:
        others = {name: value for name, value in payer.items() if name != "tenant"}
        yield _facts({"tenant": payer["tenant"] or "nobody: unattributed", **others})
    yield Heading("What was used", level)
    usage = document["usage"]
    yield _facts({"read by dialect": usage["dialect"], "by rule": usage["rule"], "which means": usage["meaning"], "state": usage["state"]})
    yield Items([_quantity(quantity) for quantity in usage["quantities"]])
    yield Heading("What is charged" if customer else "What it costs", level)
    yield from _customer_price(document["price"]) if customer else _price(document["price"])
    if document["suppressed"]:
        yield Heading("Other spans of the same call, not charged", level)
        yield Items([Item(_suppressed(span)) for span in document["suppressed"]])
    yield Heading("Entries in the ledger, in order", level)
    yield Items([_booked(entry, customer=customer) for entry in document["history"]])
    yield Heading("Evidence", level)
    yield _facts(document["evidence"])


def line_page(document: Document, unit: str) -> Page:
    """The page of the lines of one unit of a charge."""
    parts = [
        {**part, "lines": [line for line in part["lines"] if line["unit"] == unit], "cost_usd": None, "adjusted": 0}
        for part in document["price"]["parts"]
    ]
    blocks = list(_price({"parts": parts, "total_usd": None}))
    usage = document["usage"]
    facts = {"event": document["price"]["parts"][0]["event_id"], "read by dialect": usage["dialect"], "by rule": usage["rule"]}
    quantities = [_quantity(quantity) for quantity in usage["quantities"]]
    name = document["identity"]["response_model"] or document["identity"]["request_model"] or "?"
    return Page(
        f"{unit} of {name}", [*blocks, Heading("What was used"), _facts({**facts, "which means": usage["meaning"]}), Items(quantities)]
    )


def _facts(facts: Mapping[str, Any]) -> Facts:
    return Facts([(name.replace("_", " "), value) for name, value in facts.items() if value not in (None, [], "", {})])


def _quantity(quantity: Document) -> Item:
    part = f" (part of {quantity['part_of']})" if quantity["part_of"] else ""
    return Item(f"{quantity['quantity']:>12,} {quantity['unit']}{part}")


def _price(price: Document) -> Iterator[Block]:
    parts = price["parts"]
    for part in parts:
        items = [Item(f"share of {part['tenant'] or 'nobody'}:")] if len(parts) > 1 else []
        if part["state"] == "unpriced":
            items.append(Item(f"unpriced - {part['reason']}"))
        items += [_line(line) for line in part["lines"]]
        if part["cost_usd"] is not None and part["lines"]:
            items.append(Item(f"{' + '.join(line['cost_usd'] for line in part['lines'])} = {part['cost_usd']} USD"))
        if part["adjusted"]:
            items.append(Item(f"as re-priced {part['adjusted']} time{'s' if part['adjusted'] > 1 else ''} since; see the entries below"))
        yield Items(items)
    if len(parts) > 1 and price["total_usd"] is not None:
        yield Items([Item(f"together {price['total_usd']} USD")])
    others = [Item(f"{price[name]} USD {what}") for name, what in _MONEY if price.get(name) not in (None, price["total_usd"])]
    if others:
        yield Items(others)


def _line(line: Document) -> Item:
    source = line["source"]
    listed = f"in {line['listed_in']}" if line["listed_in"] else None
    where = [source, listed, _dates(line), f"rate {line['rate_id']}"]
    return Item(f"{line['unit']}: {line['arithmetic']} USD", ", ".join(each for each in where if each), source)


def _dates(line: Document) -> str | None:
    """From when to when a rate holds; None for one whose source we do not know."""
    begins, ends = line["effective_from"], line["effective_to"]
    if line["source"] is None and not (begins or ends):
        return None
    first = f"in force from {begins}" if begins else "undated (in force as long as the catalog knows)"
    return f"{first}, until {ends}" if ends else first


def _customer_price(price: Document) -> Iterator[Block]:
    items = []
    for part in price["parts"]:
        lines, amount = part["customer_lines"], "no price" if part["customer_price_usd"] is None else f"{part['customer_price_usd']} USD"
        items += [Item(f"{line['unit']}: {line['arithmetic']} USD", _agreed(line)) for line in lines]
        if len(lines) > 1:
            amount = f"{' + '.join(line['customer_price_usd'] for line in lines)} = {amount}"
        if len(lines) != 1:
            note = None if not part["billable"] else part["customer_note"]
            items.append(Item(amount if part["billable"] else f"{amount}, not billed", note))
    if len(items) > 1 and price["customer_price_usd"] is not None:
        items.append(Item(f"together {price['customer_price_usd']} USD"))
    yield Items(items)


def _agreed(line: Document) -> str:
    """How a customer's rate is made, as far as it is his to know, and when it holds."""
    begins, ends = line["effective_from"], line["effective_to"]
    dates = [f"from {begins}" if begins else None, f"until {ends}" if ends else None]
    return ", ".join(each for each in (line["agreed"], *dates) if each)


def _suppressed(span: Document) -> str:
    counts = f"{span['input_tokens']:,} in, {span['output_tokens'] or 0:,} out" if span.get("input_tokens") is not None else None
    told = [each for each in (span.get("operation"), span.get("model"), span.get("scope"), counts) if each]
    return " ".join([span["span_id"], ", ".join(told)]).rstrip()


def _booked(entry: Document, *, customer: bool) -> Item:
    price = entry["customer_price_usd" if customer else "cost_usd"]
    amount = ("no price" if customer else "unpriced") if price is None else f"{price} USD"
    payer = "" if customer else f" to {entry['tenant'] or 'nobody'}"
    why = f" - {entry['reason']}" if entry["reason"] else ""
    run = entry.get("run")
    by = [f"run {run}" if run else None, f"by {entry['actor']}" if entry.get("actor") else None, entry.get("run_reason")]
    catalog = f"prices {entry['catalog']}" if run and entry.get("catalog") else None
    place = (entry.get("proof") or "").partition(";")[0]  # how to get the proof is said once, under Evidence
    note = ", ".join(each for each in (*by, catalog, place) if each)
    return Item(f"{entry['booked']} {entry['kind']} {entry['event_id']} {amount}{payer}{why}", note or None)


# -- cells ---------------------------------------------------------------------------------------------------------------


def cell_page(document: Document, *, customer: bool = False) -> Page:
    """The page of a report cell: the question, the total, what it is made of, and the explanation of each of the costliest calls."""
    totals, price = document["totals"], "customer_price_usd" if customer else "cost_usd"
    total = "no price" if totals[price] is None else f"{totals[price]} USD"
    asked = document["asked"]
    who = ", ".join(str(value) for name, value in asked.items() if name not in _TIMES and value is not None) or "everything"
    return Page(f"{who}: {total}", list(_cell_blocks(document, price, customer=customer)))


_TIMES = ("from", "until", "time_zone", "periods", "as_of")


def _cell_blocks(document: Document, price: str, *, customer: bool) -> Iterator[Block]:
    yield Heading("What was asked")
    yield _facts(document["asked"])
    yield Heading("What it adds up to")
    yield _facts(_totals(document["totals"], price))
    yield Heading("By model")
    yield _grid(document["models"], ("provider", "model", "calls", "input_tokens", "output_tokens", price), document["totals"])
    if document.get("rates"):
        yield Heading("By rate")
        yield Note("Every line of these calls, added up by the rate it was priced at.")
        yield Items([_rate(rate) for rate in document["rates"]])
    yield Heading("How it came about")
    columns = ("kind", "reason", "entries", price) if customer else ("kind", "reason", "run", "entries", price)
    yield _grid(document["booked"], columns, {price: document["totals"][price]})
    yield Heading(f"The {len(document['top'])} costliest" if document["rest"]["entries"] else "All of them")
    yield _top(document, price)
    for number, each in enumerate(document["explanations"]):
        yield Heading(charge_title(each, customer=customer), 2, _anchor(number))
        yield from charge_blocks(each, customer=customer, level=3)


def _totals(totals: Document, price: str) -> dict[str, Any]:
    """The figures that say something, the calls first and what is charged last."""
    silent = ("customer_price_usd", "without_customer_price") if totals["customer_price_usd"] is None else ()
    between = [name for name in totals if name not in ("calls", price, *silent) and totals[name] != 0]
    return {name: totals[name] for name in ("calls", *between, price)}


def _rate(rate: Document) -> Item:
    per = f"{rate['quantity']:,} at {rate['amount']} USD / {rate['per']:,}"
    where = [rate["source"], f"in {rate['listed_in']}" if rate["listed_in"] else None, _dates(rate), f"rate {rate['rate_id']}"]
    return Item(f"{rate['unit']}: {per} = {rate['cost_usd']} USD", ", ".join(each for each in where if each), rate["source"])


def _top(document: Document, price: str) -> Grid:
    rest = document["rest"]
    shown = ("event_id", "kind", "start", "model", "input_tokens", "output_tokens", price)
    rows = [[entry.get(name) for name in shown] for entry in document["top"]]
    if rest["entries"]:
        rows.append([f"and {rest['entries']:,} more", *[None] * 5, rest[price]])
    anchors = [_anchor(entry["explanation"]) for entry in document["top"]]
    return Grid(shown, rows, ["total", *[None] * 5, document["totals"][price]], anchors)


def _anchor(number: int) -> str:
    return f"call-{number + 1}"


def _grid(rows: Sequence[Document], columns: Sequence[str], totals: Document) -> Grid:
    listed = [[row.get(name) for name in columns] for row in rows]
    return Grid(columns, listed, ["total", *(totals.get(name) for name in columns[1:])])
