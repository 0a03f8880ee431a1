"""Tells a billing system of the ledger: shows first what it would be told, then sends it in batches, each of which moves the cursor."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any, Final, NamedTuple

import typer

from spanledger.cli.errors import UserError
from spanledger.cli.options import Format
from spanledger.cli.progress import rows_progress
from spanledger.cli.push_send import PushError, Sender
from spanledger.cli.reaching import sendable
from spanledger.cli.render import write_rows
from spanledger.enrich.records import DAY_NS
from spanledger.store.export.billing import SYSTEMS, Bill, Selection, System, bill_payload, bills, without_amount
from spanledger.store.export.export import ledger_id
from spanledger.store.leases import end_lease, take_lease
from spanledger.store.ledger import Ledger
from spanledger.store.metastore import Metastore
from spanledger.store.pushes import LEASE_SECONDS, Push, advance_push, begin_push, read_push
from spanledger.store.times import parse_moment

KEY_VARIABLE: Final = "SPANLEDGER_PUSH_KEY"
_FIRST_WAIT_SECONDS: Final = 1.0
_LONGEST_WAIT_SECONDS: Final = 60.0


class Wish(NamedTuple):
    """What is asked for: `start` is "beginning", "now" or a time, for a destination that was never told anything."""

    system: str
    chosen: Selection
    url: str | None
    start: str | None
    is_commit: bool
    restamp: bool
    patience_seconds: float


class Clock(NamedTuple):
    """The edges of time: the hour, and waiting."""

    now_ns: Callable[[], int] = time.time_ns
    wait: Callable[[float], None] = time.sleep


def push(data: Path, wish: Wish, output: Format, clock: Clock = Clock()) -> None:  # noqa: B008 - it is immutable
    """Show what would be sent, or send it. Raises UserError with what to do where it cannot be."""
    system = SYSTEMS[wish.system]
    key = sendable(os.environ.get(KEY_VARIABLE, ""), KEY_VARIABLE)
    if wish.is_commit and not key:
        raise UserError(f"{KEY_VARIABLE} must hold the API key of {wish.system}")
    sender = Sender(wish.system, key, wish.url)
    destination = "|".join((wish.system, sender.url, *wish.chosen))
    ledger = Ledger.open(data, read_only=True)
    try:
        head = ledger.metastore.last_commit().entries_total
        at = read_push(ledger.metastore, destination) or Push(destination, _start(ledger, wish.start, clock), 0, None)
        if wish.is_commit:
            _send_all(data, ledger, _Job(system, wish, sender, ledger_id(ledger), at, head), clock)
        else:
            _show(ledger, system, wish.chosen, at, head, output)
        missing = without_amount(ledger, wish.chosen, at.entry_number + 1, head)
    finally:
        ledger.close()
        sender.close()
    if missing:
        typer.echo(f"{missing} billable calls have no {wish.chosen.amount}, and were not told of: `spanledger doctor` says why", err=True)


def _start(ledger: Ledger, start: str | None, clock: Clock) -> int:
    """The entry behind which a new destination begins."""
    if start is None:
        raise UserError("this destination was never told anything: --start beginning tells it all, --start now only what comes")
    if start == "beginning":
        return 0
    if start == "now":
        return ledger.metastore.last_commit().entries_total
    since_ns = parse_moment(start, clock.now_ns())
    row = ledger.metastore.connection.execute(
        "SELECT coalesce(max(entries_total), 0) FROM commits WHERE booked_ns < ?", (since_ns,)
    ).fetchone()
    return int(row[0])


def _show(ledger: Ledger, system: System, chosen: Selection, at: Push, head: int, output: Format) -> None:
    """The events and their sum for each customer."""
    events: dict[str, int] = {}
    sums: dict[str, Decimal] = {}
    with localcontext(prec=76):  # the default of 28 digits would round sums of 38
        for bill in bills(ledger, system, chosen, at.entry_number + 1, head):
            bill_payload(system, chosen, "dry-run", bill)  # what cannot be said is found now
            events[bill.customer] = events.get(bill.customer, 0) + 1
            sums[bill.customer] = sums.get(bill.customer, Decimal()) + bill.amount_usd
        total = sum(sums.values(), Decimal())
    rows: list[tuple[Any, ...]] = [(customer, events[customer], sums[customer]) for customer in sorted(events)]
    write_rows(("customer", "events", chosen.amount), rows, output, totals=("total", sum(events.values()), total))
    if at.entry_number < head:
        typer.echo(f"entries {at.entry_number + 1} to {head} for {system.name}; nothing was sent: --commit sends it", err=True)
    else:
        typer.echo(f"nothing new for {system.name}", err=True)


class _Job(NamedTuple):
    system: System
    wish: Wish
    sender: Sender
    ledger_id: str
    at: Push
    head: int


def _send_all(data: Path, ledger: Ledger, job: _Job, clock: Clock) -> None:
    store = Metastore.open(data)
    holder = f"{socket.gethostname()}-{os.getpid()}-{clock.now_ns()}"
    lease = f"push {job.at.destination}"
    try:
        take_lease(store, lease, holder, LEASE_SECONDS)
        at = read_push(store, job.at.destination) or begin_push(store, job.at.destination, job.at.entry_number)
        first, sent = at.entry_number, 0
        with rows_progress(f"telling {job.system.name}") as progress:
            for batch in _batches(bills(ledger, job.system, job.wish.chosen, first + 1, job.head), job.system.batch):
                take_lease(store, lease, holder, LEASE_SECONDS + job.wish.patience_seconds)
                timed = [_timed(bill, job, clock) for bill in batch]
                _send(job, [bill_payload(job.system, job.wish.chosen, job.ledger_id, bill) for bill in timed], clock)
                sent += len(batch)
                at = Push(at.destination, batch[-1].entry_number, at.events + len(batch), clock.now_ns())
                advance_push(store, at)
                progress(at.entry_number - first, job.head - first)
        advance_push(store, at._replace(entry_number=max(at.entry_number, job.head)))
    finally:
        end_lease(store, lease, holder)
        store.close()
    where = f"{job.system.name} ({job.sender.url})"
    typer.echo(f"{sent} events to {where}: entries {first + 1} to {job.head}" if first < job.head else f"nothing new for {where}", err=True)


def _batches(waiting: Iterator[Bill], most: int) -> Iterator[list[Bill]]:
    batch: list[Bill] = []
    for bill in waiting:
        batch.append(bill)
        if len(batch) == most:
            yield batch
            batch = []
    if batch:
        yield batch


def _timed(bill: Bill, job: _Job, clock: Clock) -> Bill:
    """The bill, if the system still takes one of its time; with --restamp at the present time if not."""
    past_ns, now_ns = job.system.past_ns, clock.now_ns()
    if past_ns is None or now_ns - bill.time_ns < past_ns:
        return bill
    if not job.wish.restamp:
        days = past_ns // DAY_NS
        raise UserError(
            f"entry {bill.entry_number} is of {bill.properties['start_time']}, and {job.system.name} takes the last {days} days:"
            " --restamp bills it as of now, --start leaves it out"
        )
    return bill._replace(time_ns=now_ns)


def _send(job: _Job, events: Sequence[dict[str, Any]], clock: Clock) -> None:
    """Send one batch, again and again while the system asks for patience."""
    waited, attempt = 0.0, 0
    while True:
        try:
            job.sender.send(events)
        except PushError as error:
            wait = error.wait_seconds or min(_FIRST_WAIT_SECONDS * 2**attempt, _LONGEST_WAIT_SECONDS) * (1 + random.random() / 4)  # noqa: S311 - it spreads load
            if not error.retry or waited + wait > job.wish.patience_seconds:
                raise
            clock.wait(wait)
            waited, attempt = waited + wait, attempt + 1
        else:
            return
