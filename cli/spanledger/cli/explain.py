"""`explain`: finds what an id, a line or a cell of a report stands for in the ledger, and writes its explanation."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from spanledger.cli.access import open_ledger, sees_folder
from spanledger.cli.customer_lines import customer_line_finder
from spanledger.cli.disclosure import cell_for_customer, for_customer, of_tenant
from spanledger.cli.errors import UsageMistake, UserError
from spanledger.cli.explaining import Entry, FindCustomerLines, FindPlace, FindRate, RateInfo, RunInfo, explain_charge
from spanledger.cli.explanation_pages import cell_page, charge_blocks, charge_page, charge_title, line_page
from spanledger.cli.options import Chosen
from spanledger.cli.pages import Heading, Page, page_markdown, page_text
from spanledger.cli.pages_html import page_html
from spanledger.cli.pricelist import rate_finder
from spanledger.cli.render import to_json
from spanledger.cli.reports import When, store_filters
from spanledger.cli.times import utc_text
from spanledger.store.cells import Cell, cell
from spanledger.store.entries import Found, find, find_calls
from spanledger.store.errors import ChainError
from spanledger.store.ledger import Ledger
from spanledger.store.proofs import place_of
from spanledger.store.query import EVERYTHING
from spanledger.store.runs import list_runs

_WRITERS = {"text": page_text, "markdown": page_markdown, "html": page_html}


class Manner(NamedTuple):
    """How an explanation is written, for whom, and where to: standard output if there is no file."""

    output: str = "text"
    customer: bool = False
    out: Path | None = None

    @property
    def one_payer(self) -> bool:
        """Whether it is meant to leave the house: then it is about one tenant and says nothing of others."""
        return self.customer or self.output == "html"


class _Sources(NamedTuple):
    """What explains entries beside themselves."""

    find_rate: FindRate
    runs: Mapping[str, RunInfo]
    find_place: FindPlace
    find_customer_lines: FindCustomerLines


def explanations(data: Path, identifier: str) -> list[dict[str, Any]]:
    """The explanation of every charge that an id leads to; UserError where there is none."""
    with open_ledger(data) as ledger:
        found, _ = _find(ledger, identifier, None)
        return _documents(found, None, _sources(ledger))


def _sources(ledger: Ledger) -> _Sources:
    charged = customer_line_finder(ledger.metastore)
    if not sees_folder():  # what people wrote about a run, and what they call their price lists, may name others
        return _Sources(_unlisted(rate_finder(ledger.metastore)), {}, partial(_place, ledger), charged)
    runs = {run.run_id: RunInfo(run.actor, run.reason) for run in list_runs(ledger.metastore)}
    return _Sources(rate_finder(ledger.metastore), runs, partial(_place, ledger), charged)


def _unlisted(find_rate: FindRate) -> FindRate:
    """Rates with their dates; of their sources only what is published, and not which list of ours has them."""

    def find(rate_id: str, entry: Entry) -> RateInfo | None:
        found = find_rate(rate_id, entry)
        if found is None:
            return None
        is_published = (found.source or "").startswith("https://") and ";" not in (found.source or "")
        return found._replace(source=found.source if is_published else "agreed", listed_in=None)

    return find


def _place(ledger: Ledger, entry: Entry) -> str | None:
    try:
        place = place_of(ledger.metastore, entry["entry_number"])
    except ChainError:
        return None  # the ledger has no chain yet
    return f"record {place.record} of the hash chain (commit {place.commit}); `spanledger prove {entry['event_id']}` gives the proof"


def _find(ledger: Ledger, identifier: str, as_of_ns: int | None) -> tuple[Found, str | None]:
    """What an id leads to, and the unit if it is that of a line (EVENT:UNIT)."""
    found = find(ledger, identifier, as_of_ns=as_of_ns)
    unit = None
    event, colon, rest = identifier.rpartition(":")
    if colon and not found.entries and not found.spans:
        found, unit = find(ledger, event, as_of_ns=as_of_ns), rest
    if not found.entries:
        raise UserError(_nothing_charged(found, identifier))
    return found, unit


def _nothing_charged(found: Found, identifier: str) -> str:
    """Why there is nothing to explain, and where to look."""
    if not found.spans:
        return f"nothing in the ledger has the id {identifier}; give an event id, span id, trace id or response id as `events` shows them"
    trace_id = found.spans[0]["trace_id"]
    return f"{identifier} is a stored span that is not charged: it restates others or is no call; see `spanledger tree {trace_id}`"


def _documents(found: Found, payers: Sequence[str | None] | None, sources: _Sources) -> list[dict[str, Any]]:
    """The explanation of each call found, as far as it concerns these payers (None: all of them)."""
    spans = {span["span_id"]: span for span in found.spans}
    histories = [entries if payers is None else of_tenant(entries, payers) for entries in by_call(found.entries).values()]
    return [explain_charge(history, spans, *sources) for history in histories if history]


CallKey = tuple[str, str, str]


def by_call(entries: Iterable[Entry]) -> dict[CallKey, list[Entry]]:
    """The entries of each charged span: authority, trace and span."""
    groups: dict[CallKey, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(call_key(entry), []).append(entry)
    return groups


def call_key(entry: Entry) -> CallKey:
    """Which charged span an entry is about."""
    return entry["authority"], entry["trace_id"], entry["span_id"]


def explain_to(data: Path, identifier: str, output: str) -> None:
    """Write the explanations of an id to standard output as text, json or markdown."""
    explain_id(data, identifier, None, None, Manner(output))


def explain_id(data: Path, identifier: str, tenants: Sequence[str] | None, as_of_ns: int | None, manner: Manner) -> None:
    """Write the explanations of an id; `tenants` are the payers it is to be about ("" for nobody), None for all."""
    with open_ledger(data) as ledger:
        found, unit = _find(ledger, identifier, as_of_ns)
        payers = _payers_of(found.entries, identifier, tenants, manner)
        documents = _documents(found, payers, _sources(ledger))
    if not documents:
        raise UserError(f"{identifier} is not charged to {', '.join(tenants or ())}")
    if manner.customer:
        documents = [for_customer(document) for document in documents]
        _check_priced(document["price"]["customer_price_usd"] for document in documents)
    if unit is not None:
        _explain_line(documents, identifier, unit, manner)
        return
    if manner.output == "json":
        _write(to_json(documents if len(documents) > 1 else documents[0], indent=2) + "\n", manner)
    elif manner.output == "html" and len(documents) > 1:
        _write(page_html(_together(documents, identifier, customer=manner.customer)), manner)
    else:
        pages = [charge_page(document, customer=manner.customer) for document in documents]
        _write("\n".join(_WRITERS[manner.output](page) for page in pages), manner)


def check_question(identifier: str | None, chosen: Chosen, when: When) -> None:
    """Raise UsageMistake where an id is given and a cell is described, or neither."""
    cell_asked = [*chosen, *(["a time"] if when.window != EVERYTHING else [])]
    if identifier is None and not cell_asked:
        raise UsageMistake("say what to explain: an id, or a cell of a report by filters and times (--tenant acme --day 2026-11-20)")
    if identifier is not None and (wrong := [name for name in cell_asked if name != "tenant"]):
        raise UsageMistake(f"an id names all there is to explain: leave out {wrong[0]}, or the id")


def _payers_of(entries: Sequence[Entry], identifier: str, tenants: Sequence[str] | None, manner: Manner) -> list[str | None] | None:
    """Whose charges a page is about; a page that leaves the house is about one payer, who must be clear."""
    if tenants:
        if manner.one_payer and len(tenants) > 1:
            raise UsageMistake("a page for a customer is about one tenant: name one with --tenant")
        return [tenant or None for tenant in tenants]
    if not manner.one_payer:
        return None
    named = [entry["tenant_id"] for entry in entries if entry["event_id"] == identifier.strip().lower()]
    everybody = {entry["tenant_id"] for entry in entries}
    if not named and len(everybody) > 1:
        raise UsageMistake(f"{identifier} concerns {len(everybody)} payers, and such a page is about one: name the tenant with --tenant")
    return named or [*everybody]


def _check_priced(prices: Iterable[str | None]) -> None:
    if all(price is None for price in prices):
        raise UserError(
            "no customer price was booked for this: agree on one ([[customers]] in the terms, see `spanledger prices`) and re-price,"
            " or leave out --for customer to show the cost"
        )


def _explain_line(documents: Sequence[Mapping[str, Any]], identifier: str, unit: str, manner: Manner) -> None:
    if manner.customer:
        raise UsageMistake("a line says what the company pays; leave out --for customer, or the unit")
    units = sorted({line["unit"] for document in documents for part in document["price"]["parts"] for line in part["lines"]})
    if unit not in units:
        raise UserError(f"{identifier.rpartition(':')[0]} has no line for {unit!r}; there are {', '.join(units) or 'none'}")
    if manner.output == "json":
        lines = [line for document in documents for part in document["price"]["parts"] for line in part["lines"] if line["unit"] == unit]
        _write(to_json(lines if len(lines) > 1 else lines[0], indent=2) + "\n", manner)
        return
    _write("\n".join(_WRITERS[manner.output](line_page(document, unit)) for document in documents), manner)


def _together(documents: Sequence[Mapping[str, Any]], identifier: str, *, customer: bool) -> Page:
    """Several charges on one page."""
    blocks = []
    for document in documents:
        blocks += [Heading(charge_title(document, customer=customer)), *charge_blocks(document, customer=customer, level=3)]
    return Page(f"{len(documents)} calls of {identifier}", blocks)


def _write(text: str, manner: Manner) -> None:
    if manner.out is None:
        sys.stdout.write(text)
        return
    manner.out.write_text(text, encoding="utf-8")


# -- cells of a report ---------------------------------------------------------------------------------------------------


def explain_cell(data: Path, chosen: Chosen, when: When, tz: str, count: int, manner: Manner) -> None:
    """Write what a cell of a report consists of: its `count` costliest calls in full, and the rest as a sum."""
    tenants = chosen.get("tenant")
    if manner.one_payer and (tenants is None or len(tenants) != 1):
        raise UsageMistake("a page for a customer is about one tenant: name one with --tenant")
    filters = store_filters(chosen)
    with open_ledger(data) as ledger:
        taken = cell(
            ledger,
            window=when.window,
            filters=filters,
            as_of_ns=when.as_of_ns,
            basis=when.basis,
            count=count,
            by_customer_price=manner.customer,
        )
        if not taken.totals["entries"]:
            raise UserError("there is nothing in the ledger for that; `spanledger report` with the same options shows what there is")
        document = _cell_document(ledger, taken, {**_asked(chosen, when, tz)}, filters.get("tenant"), when)
    if manner.customer:
        document = cell_for_customer(document)
        _check_priced([document["totals"]["customer_price_usd"]])
    if manner.output == "json":
        _write(to_json(document, indent=2) + "\n", manner)
    else:
        _write(_WRITERS[manner.output](cell_page(document, customer=manner.customer)), manner)


def _asked(chosen: Chosen, when: When, tz: str) -> dict[str, Any]:
    since, until = when.window
    return {
        **{name: ", ".join(value or "(none)" for value in values) for name, values in chosen.items()},
        "from": None if since is None else utc_text(since),
        "until": None if until is None else utc_text(until),
        "time_zone": None if tz == "UTC" else tz,
        "periods": "by when entries were booked" if when.basis == "booked" else "by when calls started",
        "as_of": None if when.as_of_ns is None else utc_text(when.as_of_ns),
    }


def _cell_document(
    ledger: Ledger, taken: Cell, asked: Mapping[str, Any], payers: Sequence[str | None] | None, when: When
) -> dict[str, Any]:
    sources = _sources(ledger)
    found = find_calls(ledger, [call_key(entry) for entry in taken.top], as_of_ns=when.as_of_ns)
    keys = list(dict.fromkeys(call_key(entry) for entry in taken.top))
    histories = by_call(found.entries)
    spans: dict[tuple[str, str], dict[str, Entry]] = {}
    for span in found.spans:
        spans.setdefault((span["authority"], span["trace_id"]), {})[span["span_id"]] = span
    explained = [
        explain_charge(histories[key] if payers is None else of_tenant(histories[key], payers), spans.get(key[:2], {}), *sources)
        for key in keys
    ]
    return {
        "asked": {name: value for name, value in asked.items() if value is not None},
        "totals": taken.totals,
        "models": taken.models,
        "rates": [_rate(rate._asdict(), sources.find_rate) for rate in taken.rates],
        "booked": taken.booked,
        "top": [_top(entry, keys.index(call_key(entry))) for entry in taken.top],
        "rest": taken.rest,
        "explanations": explained,
    }


def _rate(rate: dict[str, Any], find_rate: FindRate) -> dict[str, Any]:
    example = rate.pop("example")
    info = find_rate(rate["rate_id"], example)
    told = info._asdict() if info is not None else {"source": None, "effective_from": None, "effective_to": None, "listed_in": None}
    return {**rate, "catalog": example["catalog_id"], **told}


def _top(entry: Entry, number: int) -> dict[str, Any]:
    names = ("event_id", "kind", "reason", "input_tokens", "output_tokens", "list_cost_usd", "contracted_cost_usd", "cost_usd")
    return {
        **{name: entry[name] for name in (*names, "customer_price_usd")},
        "start": utc_text(entry["start_ns"]),
        "model": entry["response_model"] or entry["request_model"],
        "explanation": number,
    }
