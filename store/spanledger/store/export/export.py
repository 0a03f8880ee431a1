"""Export: the entries of the ledger as files of a shape, whole or since the last time, each entry exactly once in a target.

Files are partitioned by the date on which the calls started (`event_date=YYYY-MM-DD`, the Hive way) and named after the entries they come
from, so the same increment is the same files with the same bytes whenever it is made.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from spanledger.store.conditions import NO_FILTERS, Conditions, Filters, conditions
from spanledger.store.export.billing import SYSTEMS, Selection, bill_payload, bills
from spanledger.store.export.manifests import Increment, Written, begin, finish, last_increment, pending_increment, pending_path
from spanledger.store.export.shapes import Shape, arrow_schema
from spanledger.store.export.targets import ExportError, Target
from spanledger.store.export.writers import Writer, writer
from spanledger.store.ledger import Ledger
from spanledger.store.query import EVERYTHING, snapshot

if TYPE_CHECKING:
    import duckdb
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
    """What is to be exported: `since_last` goes on where the target's last increment ended; `filters` hold for all of a target's."""

    shape: Shape
    form: str
    since_last: bool = False
    filters: Filters = NO_FILTERS
    file_bytes: int = FILE_BYTES
    bill: Selection | None = None

    @property
    def options(self) -> Mapping[str, Any]:
        """What all increments of a target must have in common."""
        if self.bill is not None:
            return {"format": self.form, **self.bill._asdict()}
        return {"format": self.form, "filters": {name: value for name, value in sorted(self.filters.items()) if value is not None}}


def ledger_id(ledger: Ledger) -> str:
    """A name of this ledger that no other has, made when it is first asked for: two ledgers must not be mixed in one target."""
    found = ledger.metastore.setting(LEDGER_ID)
    if found is None:
        found = f"sl-{secrets.token_hex(8)}"
        _set_setting(ledger, found)
        found = ledger.metastore.setting(LEDGER_ID) or found
    return found


def _set_setting(ledger: Ledger, value: str) -> None:
    from spanledger.store.metastore import Metastore

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
    for increment in _increments(ledger, target, request):
        made = _make(ledger, target, request, increment, now_text, progress)
        done = made if not done.last_entry else _sum(done, made)
    return done


def _increments(ledger: Ledger, target: Target, request: Request) -> Iterator[Increment]:
    """The increments that are to be made: one that was begun and not finished, then what the ledger has had since."""
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
    if at > total:
        raise ExportError(f"{target.name} has entries up to {at}, but this ledger only {total}: it is an older copy of it")
    if begun is not None and begun.first_entry == at + 1 <= begun.last_entry <= total:
        yield begun
        at = begun.last_entry
    elif begun is not None:
        target.remove(pending_path(shape.name))  # it was finished
    if total > at:
        yield Increment(here, shape.name, shape.version, at + 1, total, request.options)


def _check(target: Target, there: Increment, request: Request, here: str) -> None:
    if there.ledger_id != here:
        raise ExportError(f"{target.name} holds an export of another ledger ({there.ledger_id}, not {here}): name another place")
    if there.shape_version != request.shape.version:
        raise ExportError(
            f"{target.name} holds version {there.shape_version} of {there.shape}, this is {request.shape.version}: use a new place"
        )
    if dict(there.options) != dict(request.options):
        raise ExportError(f"{target.name} was begun with other options ({dict(there.options)}): use the same, or another place")


def _make(ledger: Ledger, target: Target, request: Request, increment: Increment, now_text: str, progress: Progress | None) -> Exported:
    begin(target, increment)
    write = _write_rows if request.bill is None else _write_bills
    files, cost = write(ledger, target, request, increment, progress)
    finish(target, increment, files, cost, now_text)
    rows, size = sum(file.rows for file in files), sum(file.size for file in files)
    return Exported(increment.first_entry, increment.last_entry, rows, len(files), size, cost)


def _write_rows(
    ledger: Ledger, target: Target, request: Request, increment: Increment, progress: Progress | None
) -> tuple[list[Written], Decimal | None]:
    """The files of an increment of a shape, day by day, and what its entries cost."""
    files: list[Written] = []
    where = conditions(EVERYTHING, request.filters)
    where.add("entry_number BETWEEN $first_entry AND $last_entry", first_entry=increment.first_entry, last_entry=increment.last_entry)
    with snapshot(ledger) as connection:
        days = connection.execute(
            f"SELECT event_date, count(*), sum(cost_usd) FROM entries WHERE {where.sql} GROUP BY 1 ORDER BY 1",  # noqa: S608 - allow-listed names, bound values
            where.values,
        ).fetchall()
        total, taken = sum(day[1] for day in days), 0
        for day, entries, _ in days:
            if request.shape.prepare is not None:
                request.shape.prepare(connection, ledger, _of_day(where), {**where.values, "day": day})
            files += _write_day(connection, target, request, increment, day, where)
            taken += entries
            if progress is not None:
                progress(taken, total)
    return files, _total(cost for _, _, cost in days)


def _write_bills(
    ledger: Ledger, target: Target, request: Request, increment: Increment, progress: Progress | None
) -> tuple[list[Written], Decimal | None]:
    """The files of an increment of a billing system's events, in the order of booking, and what they add up to."""
    system, chosen = SYSTEMS[request.shape.name], request.bill
    if chosen is None:
        raise ValueError("a billing system's events need to be told whose")
    files: list[Written] = []
    cost: Decimal | None = None
    waiting = bills(ledger, system, chosen, increment.first_entry, increment.last_entry)
    bill = next(waiting, None)
    while bill is not None:
        path = f"{system.name}/part-{increment.first_entry:012d}-{increment.last_entry:012d}-{len(files):04d}.jsonl"
        rows = 0
        with target.write(path) as file:
            out = _Counted(file)
            while bill is not None and out.size < request.file_bytes:
                out.write((json.dumps(bill_payload(system, chosen, increment.ledger_id, bill), ensure_ascii=False) + "\n").encode())
                cost = _total((cost, bill.amount_usd))
                rows += 1
                if progress is not None:
                    progress(bill.entry_number - increment.first_entry + 1, increment.last_entry - increment.first_entry + 1)
                bill = next(waiting, None)
        files.append(Written(path, rows, out.size, out.digest.hexdigest()))
    return files, cost


def _write_day(
    connection: duckdb.DuckDBPyConnection, target: Target, request: Request, increment: Increment, day: date, where: Conditions
) -> Iterator[Written]:
    """The files of one partition, each of about the size asked for."""
    shape, schema = request.shape, arrow_schema(request.shape)
    found = connection.sql(shape.select(_of_day(where)), params={**where.values, "day": day})
    waiting: Iterator[pa.RecordBatch] = iter(found.to_arrow_reader(_BATCH_ROWS))
    batch, number = next(waiting, None), 0
    while batch is not None:
        path = f"{shape.name}/event_date={day}/part-{increment.first_entry:012d}-{increment.last_entry:012d}-{number:04d}.{request.form}"
        rows = 0
        with target.write(path) as file:
            counted = _Counted(file)
            out: Writer = writer(request.form, counted, schema)
            while batch is not None and (not rows or out.size() < request.file_bytes):
                out.add(_cast(batch, schema))
                rows += batch.num_rows
                batch = next(waiting, None)
            out.close()
        yield Written(path, rows, counted.size, counted.digest.hexdigest())
        number += 1


def _of_day(where: Conditions) -> str:
    return f"(SELECT * FROM entries WHERE {where.sql} AND event_date = $day)"  # noqa: S608 - allow-listed names, bound values


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa  # reports import this package and must not wait for Arrow

    return pa.Table.from_batches([batch]).cast(schema)


class _Counted:
    """A binary file that is only written to, with the size and digest of what was written."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.size = 0
        self.digest = hashlib.sha256()
        self.closed = False

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self._file.write(view)
        self.digest.update(view)
        self.size += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """The file is closed by who opened it."""

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False


def _sum(one: Exported, other: Exported) -> Exported:
    cost = _total((one.cost_usd, other.cost_usd))
    return Exported(one.first_entry, other.last_entry, one.rows + other.rows, one.files + other.files, one.size + other.size, cost)


def billing_shape(system: str) -> Shape:
    """What stands for a billing system's events where a shape is asked for: they have no columns, but a system's own form."""
    return Shape(system, 1, SYSTEMS[system].doc, (), "", "")


def _total(costs: Iterable[Decimal | None]) -> Decimal | None:
    """The sum of what is known; None where nothing is."""
    known = [cost for cost in costs if cost is not None]
    with localcontext(prec=76):  # the default of 28 digits would round sums of 38
        return sum(known[1:], known[0]) if known else None
