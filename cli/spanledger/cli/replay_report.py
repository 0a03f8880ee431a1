"""`replay`: asks, shows what would change for whom, says what limits the answer, and books it when told to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from spanledger.cli.config import load_config
from spanledger.cli.errors import UsageMistake, complain
from spanledger.cli.folder import DataFolder
from spanledger.cli.options import Format
from spanledger.cli.render import visible, write_rows
from spanledger.cli.replaying import Booked, Difference, Replay, Replayed, Watch, check_has_requests, nobody_watches
from spanledger.cli.reports import UNATTRIBUTED
from spanledger.enrich.money import text_from_atto
from spanledger.store.times import parse_window

COLUMNS = ("tenant", "model", "entries", "charges", "input_tokens", "output_tokens", "unpriced_charges", "cost_usd")
_PRUNED_SHOWN = 5


class Wish(NamedTuple):
    """What is asked for on the command line."""

    since: str | None
    until: str | None
    tz: str
    tenant: str | None
    commit: bool
    yes: bool
    reason: str | None
    actor: str | None


def replay_folder(data: Path, config_path: Path | None, wish: Wish, output: Format, now_ns: int) -> int:
    """Replay a window of a folder; the exit code: 1 if it was not confirmed or could not be booked whole."""
    folder, config = DataFolder(data), load_config(config_path).config
    check_has_requests(folder)
    if wish.commit and not wish.yes and not sys.stdin.isatty():
        raise UsageMistake("nobody is there to confirm: add --yes to --commit, after a look at what --dry-run shows")
    window = parse_window(wish.since, wish.until, now_ns, wish.tz)
    with _bar() as watch, Replay(folder, config, window, wish.tenant, watch) as replay:
        found = replay.compute(actor=wish.actor, reason=wish.reason)
        _show(found, output)
        for line in notes(found):
            complain(line)
        if found.nothing:
            complain("the ledger says all of this already: there is nothing to book")
            return 0
        if not wish.commit:
            complain("this was a dry run and nothing was booked: --commit books it")
            return 0
        if not wish.yes and not _confirmed(found):
            complain("nothing was booked")
            return 1
        booked = replay.commit(found)
        complain(booked_text(found, booked))
        return 1 if booked.left_out else 0


def _show(found: Replayed, output: Format) -> None:
    """The difference for each tenant and model, the largest first."""
    ordered = sorted(found.differences.items(), key=lambda item: (-abs(item[1].cost_usd), item[0][0] or "", item[0][1] or ""))
    people = output in (Format.table, Format.markdown)
    rows = [((tenant or UNATTRIBUTED) if people else tenant, model, *_cells(each)) for (tenant, model), each in ordered]
    total = Difference(*(sum(column) for column in zip(*found.differences.values(), strict=True))) if rows else Difference()
    write_rows(COLUMNS, rows, output, totals=("total", None, *_cells(total)), title=f"what replay {found.run.run_id} changes")


def _cells(each: Difference) -> tuple[object, ...]:
    return *each[:5], Decimal(text_from_atto(each.cost_usd))


def notes(found: Replayed) -> Iterator[str]:
    """What a reader of the difference must know, a line each."""
    read = found.read
    where = f"journal positions {found.reach.begin:,} to {found.reach.end:,}"
    yield f"read again: {read.requests:,} requests with {read.spans:,} spans from {where}; {found.traces:,} traces settled anew"
    if found.incomplete:
        yield f"incomplete in the archive: {found.incomplete:,} traces are left alone, because requests of theirs are no longer kept"
    if found.still_open:
        yield f"still open: {found.still_open:,} traces are left alone, because the server has not settled them yet"
    if read.problems:
        yield f"{read.problems:,} spans could not be read, as when they came or by the present rules (see `spanledger doctor`)"
    if read.pruned:
        shown = ", ".join(f"{visible(key)} ({count:,})" for key, count in read.pruned.most_common(_PRUNED_SHOWN))
        more = f" and {len(read.pruned) - _PRUNED_SHOWN} more" * (len(read.pruned) > _PRUNED_SHOWN)
        yield f"pruned content limits this replay: texts that the present rules would read were not kept on receipt: {shown}{more}"
    if found.changed:
        yield f"{found.changed:,} traces read otherwise than before; what comes late for them will be settled accordingly"


def booked_text(found: Replayed, booked: Booked) -> str:
    """What a commit did."""
    text = f"booked {booked.entries:,} entries as run {found.run.run_id}; see `spanledger events --all`"
    if booked.left_out:
        text += f"; {booked.left_out:,} traces had changed meanwhile and were left out: run the replay again for them"
    return text


def _confirmed(found: Replayed) -> bool:
    import typer  # nothing else here needs it

    return typer.confirm(f"Book these {found.entries:,} entries?", default=False, err=True)


@contextmanager
def _bar() -> Iterator[Watch]:
    """A progress bar where somebody watches."""
    if not sys.stderr.isatty():
        yield nobody_watches
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tasks: dict[str, object] = {}

        def watch(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)  # type: ignore[arg-type]  # rich's TaskID is an int of its own type
            if done >= total:
                progress.update(tasks[what], visible=False)  # type: ignore[arg-type]  # as above

        yield watch
