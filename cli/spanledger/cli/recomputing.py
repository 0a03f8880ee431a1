"""`verify --deep`: everything that is archived, read, settled and priced once more, must come to what the ledger says net, row by row.

Each charge is priced by the book it says it was priced by. The order of arrival, corrections and re-pricing runs are left out of it: only
what they add up to is compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from spanledger.cli.config import Config
from spanledger.cli.folder import DataFolder
from spanledger.cli.replaying import Setting, Watch, nobody_watches, reread
from spanledger.cli.rereading import Reach, Read
from spanledger.cli.resettling import Keys, Overlay, slices
from spanledger.enrich.adjust import AMOUNTS, net_of
from spanledger.enrich.book import Prices
from spanledger.enrich.events import TOKEN_COUNTS, CostEvent
from spanledger.enrich.open_traces import OpenTrace, TraceKey
from spanledger.store.catalogs import UnknownCatalogError, build, parts_of, shipped_file
from spanledger.store.query import EVERYTHING, Range
from spanledger.store.scratch import scratch_folder

MISMATCHES_MAX: Final = 1_000
"""Mismatches that are described; the others are counted."""
COMPARED: Final = (
    *("tenant_id", "split_weight", "cost_surface"),
    *(*TOKEN_COUNTS, "usage", "wall_clock_ms", "usage_state", "provider_billing"),
    *AMOUNTS,
)
At = tuple[str, bytes, bytes, int]
"""(authority, trace id, span id, split index) of a charge."""


class Mismatch(NamedTuple):
    """A charge that the requests do not come to. `fields`: (name, in the ledger, from the requests), values as text.

    `what` is "differs", "only in the ledger" or "only from the requests". `other_rules`: it was booked by other rules or another release
    than those at hand, so that a difference need not be damage.
    """

    authority: str
    trace_id: str
    span_id: str
    split_index: int
    what: str
    fields: tuple[tuple[str, str, str], ...]
    other_rules: bool


class Recomputed(NamedTuple):
    """What came of it. `charges` were compared, in `traces` traces; `incomplete` and `still_open` traces could not be.

    `rulesets` and `releases` count the charges booked by other rules and other releases than those at hand, by their id;
    `unknown_prices` those priced by a book that is not on record (their counts are compared, not their money).
    """

    reach: Reach
    read: Read
    traces: int
    charges: int
    incomplete: int
    still_open: int
    mismatched: int
    mismatches: tuple[Mismatch, ...]
    other_rules_mismatched: int
    rulesets: Mapping[str, int]
    releases: Mapping[str, int]
    unknown_prices: Mapping[str, int]

    @property
    def ok(self) -> bool:
        """Whether all that could be compared agrees, but for what other rules explain."""
        return self.mismatched == self.other_rules_mismatched


def recompute(folder: DataFolder, config: Config, window: Range = EVERYTHING, watch: Watch = nobody_watches) -> Recomputed:
    """Compare the net ledger with what its requests come to. Nothing is written but a scratch folder.

    Raises JournalCorruptError where archive or journal are damaged.
    """
    with scratch_folder(folder.path) as root, reread(folder, config, window, root, watch) as setting:
        return _Comparison(setting, watch).run(window)


class _Comparison:
    """The sums of one comparison."""

    def __init__(self, setting: Setting, watch: Watch) -> None:
        self._setting, self._watch = setting, watch
        self._books: dict[str, Prices | None] = {}
        self._mismatches: list[Mismatch] = []
        self._mismatched = self._excused = self._charges = 0
        self._rulesets: Counter[str] = Counter()
        self._releases: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()

    def run(self, window: Range) -> Recomputed:
        setting = self._setting
        overlay = Overlay(setting.ledger, setting.scratch, setting.reach, booked=False)
        total = sum(file.rows for file in setting.scratch.files("spans"))
        traces = incomplete = still_open = 0
        for keys, looked in slices(setting.scratch, window):
            found = overlay.sort(keys)
            traces, incomplete, still_open = traces + len(found.keys), incomplete + found.incomplete, still_open + found.still_open
            live = {at: row for key in found.keys if key in overlay.stored for at, row in _net(key, overlay.stored[key].booked)}
            self._compare(live, self._wanted(overlay, found.keys, {row.catalog_id for row in live.values()}))
            self._watch("comparing", looked, total)
        return Recomputed(
            setting.reach, setting.read, traces, self._charges, incomplete, still_open, self._mismatched, tuple(self._mismatches),
            self._excused, dict(self._rulesets), dict(self._releases), dict(self._unknown),
        )  # fmt: skip

    def _wanted(self, overlay: Overlay, keys: Keys, catalogs: Iterable[str]) -> dict[str, dict[At, CostEvent]]:
        """What the requests come to at the prices of each book: every charge of these traces."""
        books = {catalog: book for catalog in catalogs if (book := self._book(catalog)) is not None}
        if not books:  # nothing is booked, or not at known prices: what comes of it is compared without its money
            books = {"": build(None, parts_of(None, shipped_file().id), self._setting.rules.meters)}
        return {
            catalog: {_at(event): event for event in self._setting.settle(overlay, book, keys, 0).events if _key(event) in keys}
            for catalog, book in books.items()
        }

    def _book(self, catalog: str) -> Prices | None:
        if catalog not in self._books:
            metastore = self._setting.ledger.metastore
            try:
                self._books[catalog] = build(metastore, parts_of(metastore, catalog), self._setting.rules.meters)
            except UnknownCatalogError:
                self._books[catalog] = None
        return self._books[catalog]

    def _compare(self, live: Mapping[At, CostEvent], wanted: Mapping[str, Mapping[At, CostEvent]]) -> None:
        any_book = next(iter(wanted.values()))
        for at, row in live.items():
            self._charges += 1
            other_rules = self._is_of_other_rules(row)
            known = wanted.get(row.catalog_id)
            if known is None:
                self._unknown[row.catalog_id] += 1
            new = (any_book if known is None else known).get(at)
            if new is None:
                self._report(at, "only in the ledger", (), other_rules=other_rules)
                continue
            names = [name for name in COMPARED if known is not None or name not in AMOUNTS]
            fields = tuple((name, repr(getattr(row, name)), repr(getattr(new, name))) for name in names if not _same(name, row, new))
            if fields:
                self._report(at, "differs", fields, other_rules=other_rules)
        by_others = {at[:2] for at, row in live.items() if self._differs(row)}
        for at in any_book.keys() - live.keys():
            self._report(at, "only from the requests", (), other_rules=at[:2] in by_others)

    def _is_of_other_rules(self, row: CostEvent) -> bool:
        versions = self._setting.versions
        if row.ruleset_id != versions.ruleset_id:
            self._rulesets[row.ruleset_id] += 1
        if row.engine_version != versions.engine_version:
            self._releases[row.engine_version] += 1
        return self._differs(row)

    def _differs(self, row: CostEvent) -> bool:
        return (row.ruleset_id, row.engine_version) != self._setting.versions

    def _report(self, at: At, what: str, fields: tuple[tuple[str, str, str], ...], *, other_rules: bool) -> None:
        self._mismatched += 1
        self._excused += other_rules
        if len(self._mismatches) < MISMATCHES_MAX:
            self._mismatches.append(Mismatch(at[0], at[1].hex(), at[2].hex(), at[3], what, fields, other_rules))


def _net(key: TraceKey, booked: Iterable[CostEvent]) -> Iterator[tuple[At, CostEvent]]:
    """The live charges of a trace with what adjustments leave of them."""
    trace = OpenTrace(key)
    trace.remember_booked(booked)
    for (span_id, split), live in trace.booked.items():
        if live:
            yield (*key, span_id, split), net_of(live)


def _same(name: str, one: CostEvent, other: CostEvent) -> bool:
    """A contracted cost or customer price that was taken back by an adjustment is as good as none."""
    mine, theirs = getattr(one, name), getattr(other, name)
    return mine == theirs or (name in AMOUNTS and name != "cost_usd" and not mine and not theirs)


def _at(event: CostEvent) -> At:
    return event.authority, event.trace_id, event.span_id, event.split_index


def _key(event: CostEvent) -> TraceKey:
    return event.authority, event.trace_id
