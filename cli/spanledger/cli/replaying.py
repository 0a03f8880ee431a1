"""Replay: what the ledger would say if stored requests had come under the present rules, and the entries that make it say so.

Requests are read again (rereading.py), their traces settled anew (resettling.py), and the engine compares with what is booked, as it does
for every late span. What it would book is gathered in a scratch folder, shown, and on commit becomes part of the ledger at once.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from spanledger.cli.config import Config
from spanledger.cli.errors import UserError
from spanledger.cli.folder import DataFolder
from spanledger.cli.parts import prices_for
from spanledger.cli.rereading import Reach, Read, reach_of, read_again
from spanledger.cli.resettling import Keys, Overlay, slices
from spanledger.enrich.book import Prices, Versions
from spanledger.enrich.config import policy_from, rules_from
from spanledger.enrich.engine import Batch, Engine
from spanledger.enrich.events import CostEvent
from spanledger.enrich.kept import kept_for
from spanledger.enrich.open_traces import TraceKey
from spanledger.enrich.read import Reader
from spanledger.enrich.records import Reading
from spanledger.enrich.rules import Rules
from spanledger.store.ledger import Ledger
from spanledger.store.query import Range
from spanledger.store.runs import Run, run_of
from spanledger.store.scratch import Scratch, scratch_folder
from spanledger.store.since import traces_since

if TYPE_CHECKING:
    import pyarrow as pa

REASON = "replayed"

Watch = Callable[[str, int, int], None]
"""Told (what is being done, done, in all)."""


def nobody_watches(_what: str, _done: int, _total: int) -> None:
    """For replays without a progress bar."""


class Difference(NamedTuple):
    """What a replay changes for one tenant and model. Money is atto-USD; `unpriced` counts charges without a price."""

    entries: int = 0
    charges: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    unpriced: int = 0
    cost_usd: int = 0

    def plus(self, event: CostEvent) -> Difference:
        """With one more entry."""
        sign = {"charge": 1, "reversal": -1}.get(event.kind, 0)
        return Difference(
            self.entries + 1,
            self.charges + sign,
            self.input_tokens + (event.input_tokens or 0),
            self.output_tokens + (event.output_tokens or 0),
            self.unpriced + sign * (event.price_state == "unpriced"),
            self.cost_usd + (event.cost_usd or 0),
        )


Differences = Mapping[tuple[str | None, str | None], Difference]
"""By tenant and model."""


class Replayed(NamedTuple):
    """What a replay found. `incomplete` and `still_open`: traces left alone, for not being whole in the archive or not settled yet."""

    run: Run
    reach: Reach
    read: Read
    traces: int
    incomplete: int
    still_open: int
    changed: int
    entries: int
    differences: Differences

    @property
    def nothing(self) -> bool:
        """Whether the ledger says all of it already."""
        return not self.entries and not self.changed


class Booked(NamedTuple):
    """What was committed, and the traces that were left out because the ledger has moved on in them meanwhile."""

    entries: int
    left_out: int


class Setting(NamedTuple):
    """What a replay works with: the folder's ledger, what was read again, and the rules and prices in force."""

    ledger: Ledger
    scratch: Scratch
    reach: Reach
    read: Read
    rules: Rules
    config: Config

    @property
    def versions(self) -> Versions:
        """What is stamped on entries."""
        return Versions(self.rules.ruleset_id, version("spanledger"))

    def engine(self, overlay: Overlay, prices: Prices) -> Engine:
        """One that has settled nothing yet."""
        rules = self.rules
        return Engine(
            prices, policy_from(self.config.enrich), overlay, self.versions,
            failures=rules.failures, flags=rules.flags, payers=rules.payers,
        )  # fmt: skip

    def settle(self, overlay: Overlay, prices: Prices, keys: Keys, now_ns: int) -> Batch:
        """Settle these traces and all that may tell of the same calls."""
        engine = self.engine(overlay, prices)
        engine.reopen(keys)
        return engine.tick(now_ns, final=True)


@contextmanager
def reread(folder: DataFolder, config: Config, window: Range, root: Path, watch: Watch) -> Iterator[Setting]:
    """Read again what the window needs, into a scratch below `root`."""
    rules = rules_from(config.enrich)
    (root / "read").mkdir()
    with Ledger.open(folder.path, read_only=True, config=config.store) as ledger:
        scratch = Scratch(root / "read", config.store)
        reach = reach_of(folder, ledger, window)
        read = read_again(folder, reach, Reader(rules), kept_for(rules), scratch, lambda done, total: watch("reading", done, total))
        yield Setting(ledger, scratch, reach, read, rules, config)


class Replay:
    """One replay of one window: `compute`, look at the result, and perhaps `commit`. Use as a context: its files go with it."""

    def __init__(self, folder: DataFolder, config: Config, window: Range, tenant: str | None = None, watch: Watch = nobody_watches) -> None:
        self._folder, self._config, self._window, self._tenant, self._watch = folder, config, window, tenant, watch
        self._groups: dict[TraceKey, frozenset[TraceKey]] = {}
        """Traces whose entries are booked together or not at all, where they are more than one."""

    def __enter__(self) -> Replay:
        self._scratch_folder = scratch_folder(self._folder.path)
        self._root = self._scratch_folder.__enter__()
        (self._root / "changed").mkdir()
        self._changed = Scratch(self._root / "changed", self._config.store)
        return self

    def __exit__(self, *error: Any) -> None:
        self._scratch_folder.__exit__(*error)

    # -- what would change ----------------------------------------------------------------------------------------------

    def compute(self, *, actor: str | None = None, reason: str | None = None) -> Replayed:
        """Find out what would change; nothing is booked."""
        with reread(self._folder, self._config, self._window, self._root, self._watch) as setting:
            prices = prices_for(setting.rules, setting.ledger.metastore)
            run = self._run(setting, prices, actor, reason)
            return self._settle_all(setting, prices, run)

    def _run(self, setting: Setting, prices: Prices, actor: str | None, reason: str | None) -> Run:
        last = setting.ledger.metastore.last_commit()
        self._before = last
        inputs = {
            "since": self._window[0],
            "until": self._window[1],
            "tenant": self._tenant,
            "rules": setting.rules.ruleset_id,
            "prices": prices.catalog_id,
            "engine": setting.versions.engine_version,
            "positions": [setting.reach.begin, setting.reach.end],
            "commit": last.number,
        }
        return run_of("replay", inputs, actor=actor, reason=reason)

    def _settle_all(self, setting: Setting, prices: Prices, run: Run) -> Replayed:
        overlay = Overlay(setting.ledger, setting.scratch, setting.reach)
        differences: defaultdict[tuple[str | None, str | None], Difference] = defaultdict(Difference)
        traces = incomplete = still_open = changed = entries = 0
        total = sum(file.rows for file in setting.scratch.files("spans"))
        self._scratch, self._reach, self._wide = setting.scratch, setting.reach, {}
        for keys, looked in slices(setting.scratch, self._window):
            found = overlay.sort(keys)
            traces, incomplete, still_open = traces + len(found.keys), incomplete + found.incomplete, still_open + found.still_open
            batch = setting.settle(overlay, prices, found.keys, time.time_ns())
            events = [event._replace(reason=REASON, run_id=run.run_id) for event in self._chosen(batch.events)]
            overlay.book(events)
            for event in events:
                at = event.tenant_id, event.response_model or event.request_model
                differences[at] = differences[at].plus(event)
            entries += len(events)
            changed += self._keep_readings(overlay, {(event.authority, event.trace_id) for event in events})
            self._wide.update({key: days for key, days in batch.wide.items() if key in overlay.read_again})
            self._watch("settling", looked, total)
        return Replayed(run, setting.reach, setting.read, traces, incomplete, still_open, changed, entries, dict(differences))

    def _chosen(self, events: Sequence[CostEvent]) -> list[CostEvent]:
        """The entries to book: all, or those of traces that the chosen tenant has a part in. Notes which belong together."""
        groups = _groups(events)
        self._groups.update({key: group for key, group in groups.items() if len(group) > 1})
        if self._tenant is None:
            return list(events)
        concerned = {key for event in events if event.tenant_id == self._tenant for key in groups[event.authority, event.trace_id]}
        return [event for event in events if (event.authority, event.trace_id) in concerned]

    def _keep_readings(self, overlay: Overlay, booked: AbstractSet[TraceKey]) -> int:
        """Put by the spans that read otherwise than before, so that a late span of their trace will settle with them; how many traces."""
        count, readings = 0, []
        for key, changed in overlay.changed_readings():
            if self._tenant is None or key in booked:
                count += 1
                readings += changed
        self._changed.add((), readings)
        return count

    # -- making it so ---------------------------------------------------------------------------------------------------

    def commit(self, found: Replayed, progress: Callable[[int], None] | None = None) -> Booked:
        """Book it, beside a running server too. A trace that the ledger has moved on in since `compute` is left out: run again for it."""
        with Ledger.open_beside(self._folder.path, config=self._config.store) as ledger:
            moved = traces_since(ledger, self._before)
            moved = moved.union(*(self._groups.get(key, frozenset()) for key in moved))
            before = ledger.entries_total
            booked_ns = max(time.time_ns(), ledger.metastore.last_commit().booked_ns)
            ledger.commit_outside(
                run=found.run,
                booked_ns=booked_ns,
                rows=_rows(self._scratch, moved, booked_ns),
                reread=_readings(self._changed, moved),
                reread_to=self._reach.end,
                wide={key: days for key, days in self._wide.items() if key not in moved},
                progress=progress,
            )
            return Booked(ledger.entries_total - before, len(moved & self._concerned()))

    def _concerned(self) -> set[TraceKey]:
        """Every trace that the replay has something to say of."""
        tables = [(self._scratch, file) for file in self._scratch.files("events")]
        tables += [(self._changed, file) for file in self._changed.files("spans")]
        return {key for scratch, file in tables for key in _trace_keys(scratch.rows(file, ["authority", "trace_id"]))}


def _groups(events: Iterable[CostEvent]) -> dict[TraceKey, frozenset[TraceKey]]:
    """The traces of some entries, each with those that tell of common calls: a charge may move from one of them to another."""
    groups: dict[TraceKey, set[TraceKey]] = {}
    for event in events:
        key = event.authority, event.trace_id
        mine = groups.setdefault(key, {key})
        for told in event.suppressed_span_ids:
            trace, colon, _ = told.partition(":")
            if not colon:
                continue
            other = event.authority, bytes.fromhex(trace)
            theirs = groups.setdefault(other, {other})
            if theirs is not mine:
                mine |= theirs
                for each in theirs:
                    groups[each] = mine
    return {key: frozenset(group) for key, group in groups.items()}


def _trace_keys(rows: pa.Table) -> list[TraceKey]:
    return list(zip(rows.column("authority").to_pylist(), rows.column("trace_id").to_pylist(), strict=True))


def _rows(scratch: Scratch, without: AbstractSet[TraceKey], booked_ns: int) -> Iterator[tuple[int, pa.Table]]:
    """The entries of a replay as they are booked now, file by file."""
    import pyarrow as pa  # here: commands that book nothing must not wait for Arrow

    for file in scratch.files("events"):
        rows = scratch.rows(file)
        rows = rows.filter(pa.array([key not in without for key in _trace_keys(rows)], pa.bool_())).sort_by("entry_number")
        at = rows.schema.get_field_index("booked_ns")
        rows = rows.set_column(at, rows.schema.field(at), pa.repeat(pa.scalar(booked_ns, pa.int64()), rows.num_rows))
        yield file.day, rows.drop_columns(["entry_number"])


def _readings(changed: Scratch, without: AbstractSet[TraceKey]) -> Iterator[list[Reading]]:
    from spanledger.store import span_rows  # Arrow: as above

    for file in changed.files("spans"):
        yield [each for each in span_rows.from_table(changed.rows(file)) if (each.authority, each.trace_id) not in without]


def check_has_requests(folder: DataFolder) -> None:
    """UserError where there is nothing to replay."""
    if not folder.journal.is_dir() and not folder.archive.is_dir():
        raise UserError(f"{folder.path} has neither a journal nor an archive: nothing can be replayed")
