"""`reprice`: what stored calls would cost at other prices, shown for each tenant and model, and booked as linked entries when told to.

The difference is always shown before anything is booked. What-if questions (other models, batches) are answered and never booked.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from spanledger.cli.config import load_config
from spanledger.cli.errors import UsageMistake, UserError, complain
from spanledger.cli.options import Format
from spanledger.cli.reports import store_filters
from spanledger.cli.reprice_table import bar, said, show
from spanledger.enrich.adjust import ByRun
from spanledger.enrich.config import rules_from
from spanledger.enrich.meters import Meter
from spanledger.store.catalogs import build, register
from spanledger.store.ledger import Ledger
from spanledger.store.price_words import resolve
from spanledger.store.reprice_run import Change, Progress, Scope, repriced, rows_in, state_of
from spanledger.store.runs import Run, get_run, run_of
from spanledger.store.tally import Tally
from spanledger.store.times import parse_window
from spanledger.store.undo_run import undone

if TYPE_CHECKING:
    import pyarrow as pa

ACTIVE: Final = "active"
Rows = Iterator[tuple[int, "pa.Table"]]


class Wish(NamedTuple):
    """What is asked for on the command line."""

    since: str | None = None
    until: str | None = None
    tz: str = "UTC"
    chosen: Mapping[str, Sequence[str]] = {}
    catalog: str | None = None
    undo: str | None = None
    model_map: Sequence[str] = ()
    batch: bool = False
    commit: bool = False
    yes: bool = False
    reason: str | None = None
    actor: str | None = None


class Task(NamedTuple):
    """A re-pricing made ready: its run, what makes the entries (given the run, the time of booking, and who is told sums and progress),
    and what must be on record before they are booked."""

    run: Run
    entries: Callable[[ByRun, Callable[[Tally], object], Progress], Rows]
    catalog_id: str
    scope: Scope
    record: Callable[[Ledger], object]


class _NothingToDoError(Exception):
    """All of it is booked already."""


def reprice_folder(data: Path, config_path: Path | None, wish: Wish, output: Format, now_ns: int) -> int:
    """Re-price a folder's charges; the exit code: 1 if it was not confirmed."""
    _check(wish)
    config = load_config(config_path).config
    meters = rules_from(config.enrich).meters
    if not (wish.commit and wish.yes):
        with Ledger.open(data, read_only=True, config=config.store) as ledger:
            before = ledger.metastore.last_commit()
            task = _task(ledger, wish, meters, now_ns)
            tally = _look(ledger, task)
        show(tally, output, task.run.run_id)
        if not tally.entries:
            complain(f"there is nothing to do: {said(tally)}")
            return 0
        if not wish.commit:
            complain(f"{said(tally)}; nothing was booked{'' if _is_what_if(wish) else ': --commit books it'}")
            return 0
        if not _confirmed(tally):
            complain("nothing was booked")
            return 1
        shown = before.number
    else:
        shown = None
    with Ledger.open_beside(data, config=config.store) as ledger:
        if shown is not None and ledger.metastore.last_commit().number != shown:
            complain("the ledger has grown meanwhile: what is booked is the difference as it is now")
        return _book(ledger, _task(ledger, wish, meters, now_ns), output, show_first=shown is None)


def _check(wish: Wish) -> None:
    if wish.commit and _is_what_if(wish):
        raise UsageMistake("--model-map and --batch ask what if: that is never booked, leave out --commit")
    if wish.undo and (wish.catalog or wish.since or wish.until or wish.chosen or _is_what_if(wish)):
        raise UsageMistake("--undo takes back a whole run: leave out what chooses calls or prices")
    if wish.commit and not wish.yes and not sys.stdin.isatty():
        raise UsageMistake("nobody is there to confirm: add --yes to --commit, after a look at what --dry-run shows")


def _is_what_if(wish: Wish) -> bool:
    return bool(wish.model_map) or wish.batch


def _task(ledger: Ledger, wish: Wish, meters: Sequence[Meter], now_ns: int) -> Task:
    return _undoing(ledger, wish) if wish.undo else _repricing(ledger, wish, meters, now_ns)


def _repricing(ledger: Ledger, wish: Wish, meters: Sequence[Meter], now_ns: int) -> Task:
    parts = resolve(ledger.metastore, wish.catalog or ACTIVE)
    book = build(ledger.metastore, parts, meters)
    scope = Scope(parse_window(wish.since, wish.until, now_ns, wish.tz), store_filters(wish.chosen))
    inputs = {"catalog": book.catalog_id, "engine": version("spanledger"), **scope.inputs(), **state_of(ledger, scope)}
    if meters:
        inputs["meters"] = repr(sorted(map(repr, meters)))
    change = what_if(wish.model_map, batch=wish.batch) if _is_what_if(wish) else None

    def entries(by: ByRun, tally: Callable[[Tally], object], progress: Progress) -> Rows:
        return repriced(ledger, book, scope, by, tally, change=change, progress=progress)

    run = run_of("reprice", inputs, actor=wish.actor, reason=wish.reason)
    return Task(run, entries, book.catalog_id, scope, lambda writer: register(writer.metastore, parts, time.time_ns()))


def _undoing(ledger: Ledger, wish: Wish) -> Task:
    booked = get_run(ledger.metastore, wish.undo or "")
    if booked.kind != "reprice":
        raise UserError(f"{booked.run_id} is a {booked.kind}: to take it back, {booked.kind} with the former configuration")
    inputs = json.loads(booked.inputs)
    scope = Scope((inputs["since_ns"], inputs["until_ns"]))
    asked = {"undo": booked.run_id, "engine": version("spanledger"), **scope.inputs(), **state_of(ledger, scope)}

    def entries(by: ByRun, tally: Callable[[Tally], object], progress: Progress) -> Rows:
        return undone(ledger, booked.run_id, scope, by, tally, progress=progress)

    run = run_of("reprice", asked, actor=wish.actor, reason=wish.reason or f"takes back {booked.run_id}")
    return Task(run, entries, str(inputs.get("catalog", "")), scope, lambda _writer: None)


def _by(task: Task, booked_ns: int) -> ByRun:
    return ByRun(task.run.run_id, task.catalog_id, booked_ns, version("spanledger"))


def _look(ledger: Ledger, task: Task) -> Tally:
    """The sums, without booking."""
    sums: list[Tally] = []
    with bar("re-pricing", rows_in(ledger, task.scope)) as progress:
        for _ in task.entries(_by(task, 0), sums.append, progress):
            pass
    return sums[0]


def _book(ledger: Ledger, task: Task, output: Format, *, show_first: bool) -> int:
    """Commit the run. The files are written while it is priced; they become part of the ledger after the difference has been shown."""
    booked_ns = time.time_ns()
    task.record(ledger)
    sums: list[Tally] = []

    def rows(progress: Progress) -> Rows:
        yield from task.entries(_by(task, booked_ns), sums.append, progress)
        if show_first:
            show(sums[0], output, task.run.run_id)
        if not sums[0].entries:
            raise _NothingToDoError

    try:
        with bar("re-pricing", rows_in(ledger, task.scope)) as progress:
            ledger.commit_outside(run=task.run, booked_ns=booked_ns, rows=rows(progress))
    except _NothingToDoError:
        complain(f"there is nothing to do: {said(sums[0])}")
        return 0
    run_id = task.run.run_id
    entries = get_run(ledger.metastore, run_id).entries
    complain(f"booked {entries:,} entries as run {run_id}: {said(sums[0])}; `reprice --undo {run_id} --commit` takes it back")
    return 0


def _confirmed(tally: Tally) -> bool:
    import typer  # nothing else here needs it

    return typer.confirm(f"Book these {tally.entries:,} entries?", default=False, err=True)


def what_if(model_map: Sequence[str], *, batch: bool) -> Change:
    """What rows would have been with other models ("a=b", "a=provider/b") or as batches. Raises UsageMistake."""
    pairs = []
    for text in model_map:
        old, _, new = text.partition("=")
        if not old or not new:
            raise UsageMistake(f"--model-map takes MODEL=OTHER, or MODEL=PROVIDER/OTHER, not {text!r}")
        pairs.append((old, *_provider_and_model(new)))

    def change(table: pa.Table) -> pa.Table:
        import pyarrow as pa  # a dry run without what-if does not need it here
        import pyarrow.compute as pc  # as above

        model = pc.coalesce(table.column("response_model"), table.column("request_model"))
        for old, provider, new in pairs:
            meant = pc.fill_null(pc.equal(model, old), False)
            others: dict[str, Any] = {"response_model": new, "request_model": new} | ({"provider": provider} if provider else {})
            for name, value in others.items():
                at = table.column_names.index(name)
                table = table.set_column(at, table.schema.field(name), pc.if_else(meant, pa.scalar(value), table.column(name)))
        if batch:
            at = table.column_names.index("service_tier")
            table = table.set_column(at, table.schema.field("service_tier"), pa.repeat(pa.scalar("batch"), table.num_rows))
        return table

    return change


def _provider_and_model(text: str) -> tuple[str | None, str]:
    """A provider before the first slash, where it is one we know; other slashes are part of a model's name."""
    from spanledger.enrich.providers import canonical_provider, known_provider

    provider, slash, model = text.partition("/")
    known = canonical_provider(provider) if slash else None
    return (known, model) if known is not None and known_provider(known) else (None, text)
