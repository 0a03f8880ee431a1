"""Records as rows: what a commit writes, or a replay lays down for itself, as one table for each partition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from spanledger.enrich.events import CostEvent
from spanledger.enrich.links import link_keys
from spanledger.enrich.records import Reading
from spanledger.store.config import StoreConfig
from spanledger.store.days import partition_days
from spanledger.store.errors import RowError
from spanledger.store.files import Table
from spanledger.store.index import trace_keys
from spanledger.store.metastore import Teller

if TYPE_CHECKING:
    import pyarrow as pa


def event_tables(events: Sequence[CostEvent], config: StoreConfig, first: int) -> Iterator[tuple[Table, int, pa.Table]]:
    """(table, partition day, rows) of entries, numbered in their order from `first` on. Raises RowError."""
    from spanledger.store import event_rows  # Arrow: see files.write_parquet

    for day, rows in _by_day_and_trace(events, config).items():
        yield "events", day, event_rows.to_table([events[i] for i in rows], [first + i for i in rows])


def span_tables(readings: Sequence[Reading], config: StoreConfig) -> Iterator[tuple[Table, int, pa.Table]]:
    """(table, partition day, rows) of spans. Raises RowError."""
    from spanledger.store import span_rows  # Arrow: see files.write_parquet

    for day, rows in _by_day_and_trace(readings, config).items():
        yield "spans", day, span_rows.to_table([readings[i] for i in rows], link_keys)


def numbered(rows: pa.Table, first: int) -> pa.Table:
    """Rows of the events table with their numbers, in their order."""
    import pyarrow as pa  # see files.write_parquet

    from spanledger.store.event_rows import SCHEMA  # as above

    numbers = pa.array(np.arange(first, first + rows.num_rows, dtype=np.int64))
    return pa.Table.from_arrays([*(rows.column(name) for name in SCHEMA.names[:-1]), numbers], schema=SCHEMA)


def sum_atto(rows: pa.Table) -> int:
    """What entries add up to, in atto-USD."""
    import pyarrow as pa  # see files.write_parquet
    import pyarrow.compute as pc  # as above

    from spanledger.store.encode import MONEY, atto  # as above

    return atto(pa.array([pc.sum(rows.column("cost_usd")).as_py()], MONEY))[0] or 0


def tellers_of(readings: Iterable[Reading]) -> set[Teller]:
    """Who tells of calls among the spans."""
    return {(r.authority, r.resource.service, (r.scope, r.call.dialect)) for r in readings if r.kind == "inference" and r.call is not None}


def _by_day_and_trace(records: Sequence[CostEvent] | Sequence[Reading], config: StoreConfig) -> dict[int, list[int]]:
    """The numbers of the records by partition, days in order; within one, those of a trace stand together, in their order.

    Equal ids in neighbouring rows cost next to nothing, and a look-up of a trace reads one place of the file.
    """
    if not records:
        return {}
    joined = b"".join([record.trace_id for record in records])
    if len(joined) != 16 * len(records):
        raise RowError("trace_id: an id is not 16 bytes long")
    try:
        start = np.array([record.start_ns for record in records], np.int64)
        received = np.array([record.received_ns for record in records], np.int64)
    except OverflowError as error:
        raise RowError("start_ns, received_ns: a time is not an integer of 64 bits") from error
    days = partition_days(start, received, config.past_days, config.future_days)
    order = np.lexsort((trace_keys(joined), days))
    ordered = days[order]
    bounds = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    return {int(ordered[part[0]]): order[part].tolist() for part in np.split(np.arange(len(records)), bounds)}
