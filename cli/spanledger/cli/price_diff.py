"""What differs between two price books: rate by rate, and in what the calls of the last days would have cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from spanledger.enrich.book import Prices
from spanledger.enrich.catalog.load import CatalogFile
from spanledger.enrich.catalog.match import exact_names, only_exact
from spanledger.enrich.catalog.rows import OVERLAY, Entry, Rate, canonical_json
from spanledger.enrich.catalog.stack import Stack
from spanledger.enrich.money import text_from_atto
from spanledger.enrich.price_book import PriceBook
from spanledger.enrich.rates import find_entries
from spanledger.enrich.split import largest_remainder
from spanledger.enrich.terms import Terms
from spanledger.store.ledger import Ledger
from spanledger.store.query import Range
from spanledger.store.stored_calls import CallNames, StoredCall, names_of_calls, stored_calls

RATE_COLUMNS = (
    "change", "provider", "model", "unit", "conditions", "effective_from", "before", "before_per", "after", "after_per",
    "before_until", "after_until", "source",
)  # fmt: skip
RATE_OPTIONAL = ("source", "before_until", "after_until", "conditions", "effective_from", "provider")

By = Literal["tenant", "model"]
COST_MEASURES = ("calls", "before_usd", "after_usd", "difference_usd", "customer_difference_usd", "unpriced_before", "unpriced_after")
COST_OPTIONAL = ("customer_difference_usd", "unpriced_before", "unpriced_after")


class Book(NamedTuple):
    """A book with the files it is made of, the base first, and all of them as one list."""

    prices: PriceBook
    files: tuple[CatalogFile, ...]
    stack: Stack

    @classmethod
    def of(cls, files: Sequence[CatalogFile], terms: Terms | None) -> Book:
        """The book of a base, overlays and terms. Raises as PriceBook does."""
        return cls(PriceBook(files[0], files[1:], terms), tuple(files), Stack(files[0], files[1:], "", ""))


# -- rates ---------------------------------------------------------------------------------------------------------------


class Cell(NamedTuple):
    """What a rate is for and from when: two books have the same cell at the same or at different amounts."""

    provider: str
    model: str
    unit: str
    conditions: str
    effective_from: str


def rate_changes(before: Sequence[CatalogFile], after: Sequence[CatalogFile], search: str | None = None) -> list[list[Any]]:
    """Every rate that was added, removed or changed in amount or end, of models whose name contains `search`."""
    wanted = (search or "").lower()
    old, new = _cells(before), _cells(after)
    rows = []
    for cell in sorted(old.keys() | new.keys()):
        one, other = old.get(cell), new.get(cell)
        if wanted in cell.model.lower() and (one is None or other is None or _said(one[1]) != _said(other[1])):
            change = "added" if one is None else "removed" if other is None else "changed"
            rows.append([change, *cell, *_ends(one, other)])
    return rows


def _cells(files: Iterable[CatalogFile]) -> dict[Cell, tuple[Entry, Rate]]:
    """The rates of a book; those of later files and of overlays take the place of others in their cell."""
    found: dict[Cell, tuple[Entry, Rate]] = {}
    for file in files:
        for entry in sorted(file.entries(), key=lambda entry: entry.rank):
            for name in _names(entry):
                for rate in entry.rates:
                    found[Cell(entry.provider, name, rate.unit, conditions_of(rate), rate.effective_from)] = (entry, rate)
    return found


def _names(entry: Entry) -> list[str]:
    return exact_names(entry.match) if entry.rank == OVERLAY and only_exact(entry.match) else [entry.model]


def conditions_of(rate: Rate) -> str:
    """When a rate holds, but for its dates."""
    context = [f"{key}={value}" for key, value in rate.context]
    tier = [f"input {rate.op} {rate.threshold:,}"] if rate.threshold else []
    return " ".join([*context, *tier, *([rate.window] if rate.window else [])])


def _said(rate: Rate) -> tuple[Fraction, str]:
    return Fraction(rate.amount) / rate.per, rate.effective_to


def _ends(one: tuple[Entry, Rate] | None, other: tuple[Entry, Rate] | None) -> list[Any]:
    amounts: list[Any] = []
    for side in (one, other):
        amounts += [None, None] if side is None else [Decimal(side[1].amount), side[1].per]
    untils = [side[1].effective_to or None if side is not None else None for side in (one, other)]
    return [*amounts, *untils, (other or one or _NOBODY)[0].source]


_NOBODY = (Entry("", "", 0, 0, [], "", "", ()), Rate("", "0", 1))


def terms_changes(before: Terms | None, after: Terms | None) -> list[list[Any]]:
    """The tables of terms that were added or removed, in the columns of rates: what it is of, its name, and all it says."""
    old, new = _agreed(before), _agreed(after)
    rows = []
    for cell, said in sorted((old - new) | (new - old)):
        kind, name = cell
        change = "removed" if (cell, said) in old else "added"
        rows.append([change, "terms", name, kind, said, *[None] * 8])
    return rows


def _agreed(terms: Terms | None) -> set[tuple[tuple[str, str], str]]:
    """((table, name), content) of all that was agreed."""
    if terms is None:
        return set()
    said = terms.config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {
        ((table, str(row.get("name") or row.get("code") or "")), canonical_json(row))
        for table, rows in said.items()
        if isinstance(rows, list)
        for row in rows
    }


# -- costs ---------------------------------------------------------------------------------------------------------------


class _Sums:
    """What some calls cost by both books; an unpriced one is counted, and costs nothing of what is summed."""

    def __init__(self) -> None:
        self.calls = 0
        self.cost = [0, 0]
        self.customer = [0, 0]
        self.unpriced = [0, 0]

    def add(self, priced: Sequence[tuple[int | None, int | None]]) -> None:
        self.calls += 1
        for side, (cost, customer) in enumerate(priced):
            self.cost[side] += cost or 0
            self.customer[side] += customer or 0
            self.unpriced[side] += cost is None

    def row(self) -> list[Any]:
        money = [self.cost[0], self.cost[1], self.cost[1] - self.cost[0], self.customer[1] - self.customer[0]]
        shown = [Decimal(text_from_atto(value)) for value in money]
        return [self.calls, *shown[:3], shown[3] or None, self.unpriced[0] or None, self.unpriced[1] or None]


class Costs(NamedTuple):
    """What a change makes of the calls it touches, by tenant or model, the greatest difference first; and all of them together."""

    columns: tuple[str, ...]
    rows: list[list[Any]]
    totals: list[Any]

    @classmethod
    def none(cls, by: By) -> Costs:
        """Where nothing was ever charged."""
        return cls((by, *COST_MEASURES), [], [None, *_Sums().row()])


def cost_changes(ledger: Ledger, window: Range, before: Book, after: Book, by: By, advance: Callable[[], object] = lambda: None) -> Costs:
    """Prices the calls of a window by two books. Calls whose names mean the same rates in both are left out: they cost the same.

    `advance` is called for every call that is priced.
    """
    names = names_of_calls(ledger, window)
    sums: defaultdict[Any, _Sums] = defaultdict(_Sums)
    everything = _Sums()
    for stored in stored_calls(ledger, window, [each for each in names if _differs(each, before, after)]):
        sides = [_shares(stored, book.prices) for book in (before, after)]
        for n, (tenant, _) in enumerate(stored.payers):
            if by == "tenant":
                sums[tenant].add([side[n] for side in sides])
        whole = [_together(side) for side in sides]
        if by == "model":
            sums[stored.call.response_model or stored.call.request_model].add(whole)
        everything.add(whole)
        advance()
    ranked = sorted(sums.items(), key=lambda item: (-abs(item[1].cost[1] - item[1].cost[0]), item[0] is None, item[0] or ""))
    return Costs((by, *COST_MEASURES), [[key, *found.row()] for key, found in ranked if _is_touched(found)], [None, *everything.row()])


def _is_touched(sums: _Sums) -> bool:
    return any(pair[0] != pair[1] for pair in (sums.cost, sums.customer, sums.unpriced))


def _together(shares: Sequence[tuple[int | None, int | None]]) -> tuple[int | None, int | None]:
    costs, customers = ([share[n] for share in shares if share[n] is not None] for n in (0, 1))
    return (sum(each for each in costs if each is not None) if costs else None), (
        sum(each for each in customers if each is not None) if customers else None
    )


def _shares(stored: StoredCall, prices: Prices) -> list[tuple[int | None, int | None]]:
    """(cost, customer price) of each payer's part of a call, as booking it would make them."""
    call, start_ns, payers = stored.call, stored.start_ns, stored.payers
    weights = [weight for _, weight in payers]
    whole = prices.price(call, start_ns, payers[0][0] if len(payers) == 1 else None)
    if whole.cost_usd is None:
        return [(None, None)] * len(payers)
    costs = [largest_remainder(line.cost_usd, weights) for line in whole.lines]
    found: list[tuple[int | None, int | None]] = []
    for n, (tenant, _) in enumerate(payers):
        own = whole if len(payers) == 1 else prices.price(call, start_ns, tenant)
        charged = own.customer_price_usd if stored.customer_billable else None
        found.append((sum(part[n] for part in costs), None if charged is None else largest_remainder(charged, weights)[n]))
    return found


def _differs(names: CallNames, before: Book, after: Book) -> bool:
    """Whether calls of these names may cost something else. Terms may say anything of any name."""
    if before.prices.terms is not None or after.prices.terms is not None:
        return True
    return _found(names, before) != _found(names, after)


def _found(names: CallNames, book: Book) -> list[tuple[int, tuple[Rate, ...]]]:
    provider, request_model, response_model = names[:3]
    entries = find_entries(book.stack, provider, (response_model, request_model))
    return [(entry.rank, entry.rates) for entry in entries]
