"""Base and fill become one catalog: LiteLLM adds what genai-prices has no price for, and only where the two agree otherwise.

A disagreement on a standard token price means the two mean different things by the name: then the base stands alone and the pair goes
to the report.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from spanledger.enrich.catalog.importers.litellm import Cells
from spanledger.enrich.catalog.match import Shelf
from spanledger.enrich.catalog.rows import BASE, FILL, Entry, Rate
from spanledger.enrich.providers import model_geography, plain_model

Cell = tuple[str, tuple[tuple[str, str], ...], int]

INHERITS = {"gcp.vertex_ai": "gcp.gemini"}
"""Sellers whose models the base lists under another provider."""


def merge(base: list[Entry], cells: Iterable[Cells], source: str, as_of: str, log: list[str]) -> list[Entry]:
    """The base's entries and what `cells` add to them or have beside them, as of the ISO date the inputs were current.

    A Bedrock profile that names its geography ("eu.amazon.nova-pro-v1:0") at a price of its own goes before a base entry for all of them.
    """
    base = list(base)
    shelves = _shelves(base)
    filling: dict[tuple[str, str], list[tuple[Cells, Entry]]] = defaultdict(list)
    alone: dict[tuple[str, str], list[Cells]] = defaultdict(list)
    for found in cells:
        entry = _base_entry(shelves, found)
        if entry is None:
            alone[found.provider, found.model].append(found)
        elif model_geography(found.model) and not entry.model.startswith(("regional.", "global.")) and _conflicts(entry, found, as_of):
            base.append(_own((found.provider, found.model), [found], source, log)._replace(rank=BASE, order=-1))
        elif entry.provider != found.provider and _conflicts(entry, found, as_of):
            alone[found.provider, found.model].append(found)  # sold at another price than the maker's: an entry of its own
        else:
            filling[entry.provider, entry.model].append((found, entry))
    return [
        *base,
        *(entry for key in sorted(filling) if (entry := _fill(filling[key], source, as_of, log)) is not None),
        *(_own(key, alone[key], source, log) for key in sorted(alone)),
    ]


def _shelves(base: list[Entry]) -> dict[str, Shelf]:
    by_provider: dict[str, list[Entry]] = defaultdict(list)
    for entry in base:
        by_provider[entry.provider].append(entry)
    return {provider: Shelf(entries) for provider, entries in by_provider.items()}


def _base_entry(shelves: dict[str, Shelf], cells: Cells) -> Entry | None:
    for provider in (cells.provider, INHERITS.get(cells.provider, "")):
        if provider in shelves:
            for name in (cells.model, plain_model(cells.model)):
                if matches := shelves[provider].find(name):
                    return matches[0]
    return None


def _current(rates: Iterable[Rate], as_of: str) -> list[Rate]:
    return [rate for rate in rates if (not rate.effective_from or rate.effective_from <= as_of) and not ("" < rate.effective_to <= as_of)]


def _cell(rate: Rate, region: str = "") -> Cell:
    context = rate.context if not region else tuple(sorted((*rate.context, ("region", region))))
    return rate.unit, context, rate.threshold


def _conflicts(entry: Entry, cells: Cells, as_of: str) -> list[str]:
    """Standard token prices the two disagree on; a price in a window of the day is not a standard one."""
    if cells.region:
        return []
    theirs = {_cell(rate): rate for rate in cells.rates if not rate.window}
    return [
        f"{rate.unit} {rate.amount} against {other.amount}"
        for rate in _current(entry.rates, as_of)
        if rate.unit.endswith("_tokens") and not rate.context and not rate.threshold and not rate.window
        and (other := theirs.get(_cell(rate))) is not None and other.amount != rate.amount
    ]  # fmt: skip


def _fill(pairs: list[tuple[Cells, Entry]], source: str, as_of: str, log: list[str]) -> Entry | None:
    """What LiteLLM's names for one base model add to it: cells the base never has, on which all these names agree."""
    entry = pairs[0][1]
    present = {_cell(rate) for rate in entry.rates}
    windowed = any(rate.window for rate in entry.rates)
    added: dict[Cell, dict[str, Rate]] = defaultdict(dict)
    for cells, _ in pairs:
        if conflicts := _conflicts(entry, cells, as_of):
            log.append(f"conflict: {entry.provider} {entry.model} with litellm {cells.model}: {'; '.join(conflicts)}")
            continue
        for rate in cells.rates:
            cell = _cell(rate, cells.region)
            if cell not in present and not rate.window and not (windowed and rate.unit.endswith("_tokens")):
                added[cell][rate.amount] = rate._replace(context=cell[1])
    for cell, by_amount in list(added.items()):
        if len(by_amount) > 1:
            log.append(f"conflict: {entry.provider} {entry.model}: litellm has {sorted(by_amount)} for {cell}")
            del added[cell]
    rates = tuple(sorted(_dated_like(entry, next(iter(found.values())), as_of) for found in added.values()))
    rates = tuple(rate for rate in rates if rate.unit != "reasoning_tokens" or not _same_as_output(rate, entry))
    return Entry(entry.provider, entry.model, FILL, entry.order, [], source, "", rates) if rates else None


def _dated_like(entry: Entry, rate: Rate, as_of: str) -> Rate:
    """A fill is known to hold beside the base's present prices only: it starts when they and their tier did."""
    now = _current(entry.rates, as_of)
    starts = [other.effective_from for other in now if not other.context or set(other.context) & set(rate.context)]
    start = max(starts, default="")
    return rate._replace(effective_from=start, effective_kind="observed" if start else "")


def _same_as_output(rate: Rate, entry: Entry) -> bool:
    return any(
        other.unit == "output_tokens"
        and other.amount == rate.amount
        and other.context == rate.context
        and other.threshold == rate.threshold
        for other in entry.rates
    )


def _own(key: tuple[str, str], found: list[Cells], source: str, log: list[str]) -> Entry:
    """A model only LiteLLM has; where it has the name twice (two labels of one provider) the fuller one is taken."""
    provider, model = key
    rates: dict[Cell, Rate] = {}
    for cells in sorted(found, key=lambda cells: (-len(cells.rates), cells)):
        for rate in cells.rates:
            cell = _cell(rate, cells.region)
            if rate.window:
                rates[(f"{rate.unit} {rate.window}", cell[1], cell[2])] = rate._replace(context=cell[1])
            elif cell not in rates:
                rates[cell] = rate._replace(context=cell[1])
            elif rates[cell].amount != rate.amount:
                log.append(f"conflict: litellm has {provider} {model} twice: {cell} {rates[cell].amount} against {rate.amount}")
    url = next((cells.source for cells in found if cells.source), "")
    names = sorted({model, model.replace("@", "-")})
    match = ["any", [["equals", name] for name in names]] if len(names) > 1 else ["equals", model]
    return Entry(provider, model, FILL, 0, match, f"{source} {url}".strip(), "", tuple(sorted(set(rates.values()))))
