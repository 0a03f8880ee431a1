"""Export: the entries of the ledger as files of a shape, whole or since the last time, each entry exactly once in a target.

Files are partitioned by the date on which the calls started (`event_date=YYYY-MM-DD`, the Hive way) and named after the entries they come
from, so the same increment is the same files with the same bytes whenever it is made.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import duckdb

from spanledger.store.beside import HeldLease
from spanledger.store.conditions import NO_FILTERS, Filters, conditions, dimension
from spanledger.store.days import day_text
from spanledger.store.export.billing import SYSTEMS, Selection, bill_payload, bills
from spanledger.store.export.focus_check import check_rows, told, version_of
from spanledger.store.export.manifests import Increment, Written, begin, finish, last_increment, pending_increment, pending_path
from spanledger.store.export.shapes import Shape
from spanledger.store.export.targets import ExportError, Target
from spanledger.store.export.writers import Counted, Writer, rows_sql, writer
from spanledger.store.files import DataFile
from spanledger.store.ledger import Ledger
from spanledger.store.metastore import Metastore
from spanledger.store.query import EVERYTHING, entries_of

if TYPE_CHECKING:
    import pyarrow as pa

LEDGER_ID: Final = "ledger_id"
FILE_BYTES: Final = 128 << 20
_BATCH_ROWS: Final = 65_536
Progress = Callable[[int, int], None]


class Exported(NamedTuple):
    """What an export did: the entries it covers (none if `last_entry` < `first_entry`), its rows, files, bytes and their cost."""

    first_entry: int
    last_entry: int
    rows: int
    files: int
    size: int
    cost_usd: Decimal | None


class Request(NamedTuple):
    """What is to be exported: `since_last` goes on where the target's last increment ended; `filters` hold for all of a target's.

    `is_checked`: rows of FOCUS are held against its rules, and none is exported where one breaks them.
    """

    shape: Shape
    form: str
    since_last: bool = False
    filters: Filters = NO_FILTERS
    file_bytes: int = FILE_BYTES
    bill: Selection | None = None
    is_checked: bool = False

    @property
    def options(self) -> Mapping[str, Any]:
        """What all increments of a target must have in common."""
        if self.bill is not None:
            return {"format": self.form, **self.bill._asdict()}
        filters = {
            dimension(name): value if value is None or isinstance(value, str) else list(value) for name, value in self.filters.items()
        }
        return {"format": self.form, "filters": dict(sorted(filters.items()))}


def ledger_id(ledger: Ledger) -> str:
    """A name of this ledger that no other has, made when it is first asked for: two ledgers must not be mixed in one target."""
    found = ledger.metastore.setting(LEDGER_ID)
    if found is None:
        found = f"sl-{secrets.token_hex(8)}"
        _set_setting(ledger, found)
        found = ledger.metastore.setting(LEDGER_ID) or found
    return found


def _set_setting(ledger: Ledger, value: str) -> None:
    writing = Metastore.open(ledger.data_dir)  # the ledger may be open for reading only
    try:
        if writing.setting(LEDGER_ID) is None:
            writing.set_setting(LEDGER_ID, value)
    finally:
        writing.close()


def export(ledger: Ledger, target: Target, request: Request, *, now_text: str, progress: Progress | None = None) -> Exported:
    """Write what is to be exported, then its manifest. `now_text` is the time of writing, as the manifest has it.

    Raises ExportError if the target holds another export, or one that this does not continue. Made again after a crash, it first makes the
    increment again that was begun.
    """
    done = Exported(1, 0, 0, 0, 0, None)
    alone = _alone(ledger, target, request.shape.name)
    try:
        for increment, again in _increments(ledger, target, request):
            made = _make(_Job(ledger, target, request, increment, again, progress), now_text)
            done = made if not done.last_entry else _sum(done, made)
    finally:
        alone.release()
    return done


def _alone(ledger: Ledger, target: Target, shape: str) -> HeldLease:
    """The right to export this shape to this target: two exporters would each write what is new, and it would be there twice."""
    store = Metastore.open(ledger.data_dir)  # the ledger may be open for reading only
    try:
        return HeldLease(ledger.data_dir, store, 0, f"export {target.identity}/{shape}", f"exporting {shape} to {target.name}")
    finally:
        store.close()


class _Job(NamedTuple):
    """An increment to be made; `again`: it was begun before, and some of its files may be there."""

    ledger: Ledger
    target: Target
    request: Request
    increment: Increment
    again: bool
    progress: Progress | None

    def part(self, folder: str, number: int) -> str:
        """The path of its n-th file in a folder."""
        return f"{folder}/{self._prefix}{number:04d}.{self.request.form}"

    @property
    def _prefix(self) -> str:
        return f"part-{self.increment.first_entry:012d}-{self.increment.last_entry:012d}-"

    def sweep(self, folder: str, made: Iterable[Written]) -> None:
        """Remove what an earlier attempt left, if it cut its files at other sizes: a reader of the folder would see their rows twice."""
        kept = {file.path for file in made}
        for name in self.target.names(folder) if self.again else ():
            if name.startswith(self._prefix) and f"{folder}/{name}" not in kept:
                self.target.remove(f"{folder}/{name}")


def _increments(ledger: Ledger, target: Target, request: Request) -> Iterator[tuple[Increment, bool]]:
    """The increments that are to be made: one that was begun and not finished (True), then what the ledger has had since."""
    shape, total = request.shape, ledger.metastore.last_commit().entries_total
    last, begun = last_increment(target, shape.name), pending_increment(target, shape.name)
    here = ledger_id(ledger)
    for there in (last, begun):
        if there is not None:
            _check(target, there, request, here)
    at = 0 if last is None else last.last_entry
    if last is not None and not request.since_last:
        raise ExportError(
            f"{target.name} has an export of {shape.name} up to entry {at}: continue it with --since-last, or name an empty place"
        )
    reached = begun.last_entry if begun is not None and begun.first_entry == at + 1 else at
    if reached > total:
        raise ExportError(f"{target.name} has entries up to {reached}, but this ledger only {total}: it is an older copy of it")
    if begun is not None and reached > at:
        yield begun, True
        at = reached
    elif begun is not None:
        target.remove(pending_path(shape.name))  # it was finished
    if total > at:
        yield Increment(here, shape.name, shape.version, at + 1, total, request.options), False


def _check(target: Target, there: Increment, request: Request, here: str) -> None:
    if there.ledger_id != here:
        raise ExportError(f"{target.name} holds an export of another ledger ({there.ledger_id}, not {here}): name another place")
    if there.shape_version != request.shape.version:
        raise ExportError(
            f"{target.name} holds version {there.shape_version} of {there.shape}, this is {request.shape.version}: use a new place"
        )
    if dict(there.options) != dict(request.options):
        raise ExportError(f"{target.name} was begun with other options ({dict(there.options)}): use the same, or another place")


def _make(job: _Job, now_text: str) -> Exported:
    begin(job.target, job.increment)
    files, cost = _write_rows(job) if job.request.bill is None else _write_bills(job, job.request.bill)
    finish(job.target, job.increment, files, cost, now_text)
    rows, size = sum(file.rows for file in files), sum(file.size for file in files)
    return Exported(job.increment.first_entry, job.increment.last_entry, rows, len(files), size, cost)


def _write_rows(job: _Job) -> tuple[list[Written], Decimal | None]:
    """The files of an increment of a shape, day by day, and what its entries cost.

    Each day is read from the files that are live when its turn comes: entries never change, so all days are of one state of the ledger, and
    compaction, which deletes what it replaced after a grace, cannot take a file from an export that runs for hours.
    """
    files: list[Written] = []
    costs: list[Decimal | None] = []
    rows: dict[int, int] = {}
    for file in _live(job):
        rows[file.day] = rows.get(file.day, 0) + file.rows
    taken = 0
    for day in sorted(rows):
        made, cost = _write_day(job, day)
        job.sweep(_folder(job, day), made)
        files += made
        costs.append(cost)
        taken += rows[day]
        if job.progress is not None:
            job.progress(taken, sum(rows.values()))
    return files, _total(costs)


def _live(job: _Job, day: int | None = None) -> list[DataFile]:
    """The files that may have entries of the increment."""
    return job.ledger.metastore.live_files("events", days=None if day is None else [day], after_entry=job.increment.first_entry - 1)


def _folder(job: _Job, day: int) -> str:
    return f"{job.request.shape.name}/event_date={day_text(day)}"


def _write_day(job: _Job, day: int) -> tuple[list[Written], Decimal | None]:
    """The files of one partition, and what its entries cost."""
    while True:
        live = _live(job, day)
        try:
            with entries_of(job.ledger, live) as connection:
                return _day_files(job, day, connection)
        except duckdb.IOException:
            if _live(job, day) == live:
                raise
            # compaction replaced them, and the grace was over before they were read


def _day_files(job: _Job, day: int, connection: duckdb.DuckDBPyConnection) -> tuple[list[Written], Decimal | None]:
    shape, first, last = job.request.shape, job.increment.first_entry, job.increment.last_entry
    where = conditions(EVERYTHING, job.request.filters)
    where.add("entry_number BETWEEN $first_entry AND $last_entry", first_entry=first, last_entry=last)
    chosen = f"(SELECT * FROM entries WHERE {where.sql})"  # noqa: S608 - allow-listed names, bound values
    ((cost,),) = connection.execute(f"SELECT sum(cost_usd) FROM {chosen} AS chosen", where.values).fetchall()  # noqa: S608 - as above
    if shape.prepare is not None:
        shape.prepare(connection, job.ledger, chosen, where.values)
    version = version_of(shape.name)
    if job.request.is_checked and version is not None:
        broken = check_rows(connection, version, f"({shape.select(chosen)}) AS checked", where.values)
        if broken:
            raise ExportError(f"rows of {day_text(day)} break rules of FOCUS {version}: {told(broken)}")
    rows = connection.sql(rows_sql(shape, job.request.form, chosen), params=where.values)
    return list(_write_parts(job, _folder(job, day), iter(rows.to_arrow_reader(_BATCH_ROWS)))), cost


def _write_parts(job: _Job, folder: str, waiting: Iterator[pa.RecordBatch]) -> Iterator[Written]:
    """The rows as files of about the size asked for."""
    batch, number = next(waiting, None), 0
    while batch is not None:
        path, rows = job.part(folder, number), 0
        with job.target.write(path) as file:
            counted = Counted(file)
            out: Writer = writer(job.request.form, counted, job.request.shape)
            while batch is not None and (not rows or out.size() < job.request.file_bytes):
                out.add(_table(batch))
                rows += batch.num_rows
                batch = next(waiting, None)
            out.close()
        yield Written(path, rows, counted.size, counted.digest.hexdigest())
        number += 1


def _write_bills(job: _Job, chosen: Selection) -> tuple[list[Written], Decimal | None]:
    """The files of an increment of a billing system's events, in the order of booking, and what they add up to."""
    system, first, last = SYSTEMS[job.request.shape.name], job.increment.first_entry, job.increment.last_entry
    files: list[Written] = []
    cost: Decimal | None = None
    waiting = bills(job.ledger, system, chosen, first, last)
    bill = next(waiting, None)
    while bill is not None:
        path, rows = job.part(system.name, len(files)), 0
        with job.target.write(path) as file:
            out = Counted(file)
            while bill is not None and out.size < job.request.file_bytes:
                payload = bill_payload(system, chosen, job.increment.ledger_id, bill)
                out.write((json.dumps(payload, ensure_ascii=False) + "\n").encode())
                cost = _total((cost, bill.amount_usd))
                rows += 1
                if job.progress is not None:
                    job.progress(bill.entry_number - first + 1, last - first + 1)
                bill = next(waiting, None)
        files.append(Written(path, rows, out.size, out.digest.hexdigest()))
    job.sweep(system.name, files)
    return files, cost


def _table(batch: pa.RecordBatch) -> pa.Table:
    import pyarrow as pa  # reports import this package and must not wait for Arrow

    return pa.Table.from_batches([batch])


def _sum(one: Exported, other: Exported) -> Exported:
    cost = _total((one.cost_usd, other.cost_usd))
    return Exported(one.first_entry, other.last_entry, one.rows + other.rows, one.files + other.files, one.size + other.size, cost)


def billing_shape(system: str) -> Shape:
    """What stands for a billing system's events where a shape is asked for: they have no columns, but a system's own form."""
    return Shape(system, 1, SYSTEMS[system].doc, (), "", "")


def unpriced_charges(ledger: Ledger, request: Request, first: int, last: int) -> int:
    """How many charges of these entries, less reversals, have no price: FOCUS has no rows for them."""
    where = conditions(EVERYTHING, request.filters)
    where.add("entry_number BETWEEN $first AND $last AND cost_usd IS NULL", first=first, last=last)
    with entries_of(ledger, ledger.metastore.live_files("events", after_entry=first - 1)) as connection:
        net = "sum(CASE kind WHEN 'charge' THEN 1 WHEN 'reversal' THEN -1 ELSE 0 END)"
        ((count,),) = connection.execute(f"SELECT coalesce({net}, 0) FROM entries WHERE {where.sql}", where.values).fetchall()  # noqa: S608 - allow-listed names, bound values
    return int(count)


def _total(costs: Iterable[Decimal | None]) -> Decimal | None:
    """The sum of what is known; None where nothing is."""
    known = [cost for cost in costs if cost is not None]
    with localcontext(prec=76):  # the default of 28 digits would round sums of 38
        return sum(known[1:], known[0]) if known else None
