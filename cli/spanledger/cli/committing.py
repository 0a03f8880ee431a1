"""`commitments`: what was promised to providers in each period against what was used, and what is owed of it as entries of the ledger."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

from spanledger.cli.access import open_ledger, sees_folder
from spanledger.cli.config import load_config
from spanledger.cli.errors import UsageMistake, UserError, complain
from spanledger.cli.options import Format
from spanledger.cli.render import write_rows
from spanledger.cli.reports import UNATTRIBUTED
from spanledger.enrich.commitments import Books, Settled, charge_category, periods_of
from spanledger.enrich.events import CostEvent
from spanledger.enrich.grants import DEFAULT_AUTHORITY
from spanledger.enrich.money import text_from_atto
from spanledger.enrich.price_book import PriceBook
from spanledger.store.catalogs import active, build
from spanledger.store.commitments import Booked, Held, booked, entries_for, settled, state_of, taken_back
from spanledger.store.ledger import Ledger
from spanledger.store.runs import Run, get_run, run_of
from spanledger.store.times import moment_at, zone

COLUMNS: Final = (
    "contract", "payer", "period", "time_zone", "state", "committed_usd", "used_usd", "used_percent", "left_usd", "projected_usd",
    "projected_shortfall_usd", "shortfall_usd", "overage_usd", "booked_usd", "unpriced_calls", "since", "until",
)  # fmt: skip
_OPTIONAL: Final = ("since", "until", "time_zone", "payer", "unpriced_calls", "overage_usd", "projected_shortfall_usd")
ENTRY_COLUMNS: Final = ("contract", "kind", "reason", "payer", "cost_usd", "charge_category", "event_id")


class Doing(NamedTuple):
    """How something is booked: or only shown; asked for, or agreed to beforehand; by whom and why."""

    commit: bool = False
    yes: bool = False
    reason: str | None = None
    actor: str | None = None


class _Plan(NamedTuple):
    """What is to be booked, and the run that does it; `make` gives the entries of a time of booking."""

    run: Run
    make: Callable[[int], list[CostEvent]]


# -- showing -------------------------------------------------------------------------------------------------------------


def print_commitments(data: Path, period: str | None, output: Format, now_ns: int) -> None:
    """Write every commitment's periods up to now, or those called `period`. UserError where there is none."""
    with _whole(data) as ledger:
        book = build(ledger.metastore, active(ledger.metastore).parts)
        held = _held(ledger, book, now_ns, period)
        found = settled(ledger, book, held)
        there = booked(ledger, held, DEFAULT_AUTHORITY)
    _write(found, there, output, now_ns)


def _whole(data: Path) -> Ledger:
    """The ledger, for one who may see all of it: a promise is kept by the calls of everybody."""
    if not sees_folder():
        raise UserError("commitments are those of the whole company: ask without a key, as the owner of the files")
    return open_ledger(data)


def _write(found: Sequence[Settled], there: dict[Held, Booked], output: Format, now_ns: int) -> None:
    people = output in (Format.table, Format.markdown)
    write_rows(
        COLUMNS, [_row(each, there[each.commitment, each.period], now_ns, people=people) for each in found], output, optional=_OPTIONAL
    )
    if unpriced := sum(each.unpriced_calls for each in found):
        complain(f"calls of these without a price (see `spanledger doctor`): {unpriced:,}; more was used than is shown")


def _row(each: Settled, there: Booked, now_ns: int, *, people: bool) -> list[Any]:
    commitment, period, open_ = each.commitment, each.period, now_ns < each.period.to_ns
    projected = each.projected_usd(now_ns)
    net = there.net
    return [
        commitment.name, commitment.tenant or (UNATTRIBUTED if people else None), period.label, commitment.said.tz,
        "open" if open_ else "over", _usd(each.committed_usd), _usd(each.used_usd), _percent(each),
        _usd(each.left_usd) if open_ else None, _usd(projected) if open_ else None,
        _usd(max(0, each.committed_usd - projected)) if open_ else None, None if open_ else _usd(each.left_usd),
        _usd(each.overage_usd) if commitment.said.overage is not None else None,
        None if net is None else _usd(net.cost_usd or 0), each.unpriced_calls or None,
        moment_at(period.from_ns, zone(commitment.said.tz)).date().isoformat(), period.end.isoformat(),
    ]  # fmt: skip


def _usd(atto: int) -> Decimal:
    return Decimal(text_from_atto(atto))


def _percent(each: Settled) -> Decimal | None:
    return Decimal(each.used_usd * 1000 // each.committed_usd) / 10 if each.committed_usd else None


def _held(ledger: Ledger, book: PriceBook, now_ns: int, label: str | None = None) -> list[Held]:
    """Every period of every commitment in force, up to now; those of a name where one is given. Raises UserError."""
    commitments = book.commitments(zone)
    if not commitments:
        raise UserError(
            'no commitment is in force: give a contract one in the terms, as commitment = { amount = "10000", period = "month" }'
        )
    if mistake := next(book.terms.config.commitment_mistakes(), None) if book.terms else None:
        raise UserError(mistake)
    first_ns = min((file.start_ns_min for file in ledger.metastore.live_files("events")), default=now_ns)
    held = []
    for each in commitments:
        local = zone(each.said.tz)
        today = moment_at(now_ns, local).date()
        since = each.first or min(today, moment_at(first_ns, local).date())
        held += [(each, period) for period in periods_of(each, local, since, today)]
    names = sorted({period.label for _, period in held})
    if label is None:
        return sorted(held, key=lambda one: (one[0].name, one[1].from_ns))
    chosen = [one for one in held if one[1].label == label]
    if not chosen:
        there = f"there are {', '.join(names[-6:])}{' and earlier ones' if len(names) > 6 else ''}" if names else "none has begun yet"
        raise UserError(f"no commitment has a period {label!r} that has begun; {there}")
    return chosen


# -- booking -------------------------------------------------------------------------------------------------------------


def book_period(data: Path, config_path: Path | None, label: str, doing: Doing, output: Format, now_ns: int) -> int:
    """Show what a period's commitments owe and book it; the exit code: 1 if it was not confirmed."""
    return _do(data, config_path, lambda ledger: _booking(ledger, label, doing, now_ns), doing, output)


def undo_run(data: Path, config_path: Path | None, name: str, doing: Doing, output: Format) -> int:
    """Take back what a run booked; the exit code as of `book_period`."""
    return _do(data, config_path, lambda ledger: _undoing(ledger, name, doing), doing, output)


def _do(data: Path, config_path: Path | None, plan: Callable[[Ledger], _Plan], doing: Doing, output: Format) -> int:
    if doing.commit and not doing.yes and not sys.stdin.isatty():
        raise UsageMistake("nobody is there to confirm: add --yes to --commit, after a look at what --dry-run shows")
    store = load_config(config_path).config.store
    with _whole(data) as ledger:
        planned = plan(ledger)
        entries = planned.make(0)
    if not entries:
        complain("there is nothing to do: all of it is as it is booked")
        return 0
    _show(entries, output)
    if not doing.commit:
        complain("nothing was booked: --commit books it")
        return 0
    if not doing.yes and not _confirmed(len(entries)):
        complain("nothing was booked")
        return 1
    with Ledger.open_beside(data, config=store) as ledger:
        planned = plan(ledger)  # once more: the ledger may have grown meanwhile
        booked_ns = time.time_ns()
        entries = planned.make(booked_ns)
        if entries:
            ledger.commit_outside(entries, run=planned.run, booked_ns=booked_ns)
    run_id = planned.run.run_id
    complain(f"booked {len(entries)} entries as run {run_id}: `spanledger commitments undo {run_id} --commit` takes it back")
    return 0


def _booking(ledger: Ledger, label: str, doing: Doing, now_ns: int) -> _Plan:
    book = build(ledger.metastore, active(ledger.metastore).parts)
    held = _held(ledger, book, now_ns, label)
    over = [each for each in held if each[1].to_ns <= now_ns]
    if not over:
        commitment, period = held[0]
        raise UserError(f"{label} is not over before {period.end} ({commitment.said.tz}): what is short of it is not known yet")
    found, there = settled(ledger, book, over), booked(ledger, over, DEFAULT_AUTHORITY)
    inputs = {
        "period": label, "catalog": book.catalog_id, "engine": version("spanledger"), "booked": state_of(there),
        "settled": [[each.commitment.name, each.commitment.tenant, str(each.committed_usd), str(each.used_usd)] for each in found],
    }  # fmt: skip
    run = run_of("commitment", inputs, actor=doing.actor, reason=doing.reason or f"commitments of {label}")

    def make(booked_ns: int) -> list[CostEvent]:
        by = Books(book.catalog_id, run.run_id, booked_ns, version("spanledger"), DEFAULT_AUTHORITY)
        return [entry for each in found for entry in entries_for(each, there[each.commitment, each.period], by)]

    return _Plan(run, make)


def _undoing(ledger: Ledger, name: str, doing: Doing) -> _Plan:
    done = get_run(ledger.metastore, name)
    if done.kind != "commitment":
        raise UserError(f"{done.run_id} is a {done.kind}, no booking of commitments: see `spanledger runs list`")
    book_id = active(ledger.metastore).book_id
    inputs = {"undo": done.run_id, "engine": version("spanledger"), "commit": ledger.metastore.last_commit().number}
    run = run_of("commitment", inputs, actor=doing.actor, reason=doing.reason or f"takes back {done.run_id}")

    def make(booked_ns: int) -> list[CostEvent]:
        by = Books(book_id, run.run_id, booked_ns, version("spanledger"), DEFAULT_AUTHORITY)
        entries, kept = taken_back(ledger, done.run_id, by)
        if kept and not booked_ns:
            complain(f"{kept} of its periods were settled again or taken back since, and stay as they are")
        return entries

    return _Plan(run, make)


def _show(entries: Sequence[CostEvent], output: Format) -> None:
    people = output in (Format.table, Format.markdown)
    rows = [
        [
            entry.usage_basis.split(":", 2)[2], entry.kind, entry.reason, entry.tenant_id or (UNATTRIBUTED if people else None),
            _usd(entry.cost_usd or 0), charge_category(entry.usage_basis), entry.event_id.hex(),
        ]
        for entry in entries
    ]  # fmt: skip
    totals = ["total" if people else None, None, None, None, _usd(sum(entry.cost_usd or 0 for entry in entries)), None, None]
    write_rows(ENTRY_COLUMNS, rows, output, totals=totals, optional=("event_id", "charge_category"))


def _confirmed(count: int) -> bool:
    import typer  # nothing else here needs it

    return typer.confirm(f"Book these {count} entries?", default=False, err=True)
