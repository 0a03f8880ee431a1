from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from spanledger.enrich.links import link_keys
from spanledger.store import event_rows, span_rows
from spanledger.store.parquet import options
from tests.store.samples import event, reading


def test_every_column_of_the_layout_exists(tmp_path: Path) -> None:
    """A misspelt path in the options would be ignored by Arrow, and the encoding silently be another."""
    tables = {"events": event_rows.to_table([event(1)], [1]), "spans": span_rows.to_table([reading(1)], link_keys)}
    for name, table in tables.items():
        chosen = options(name)  # type: ignore[arg-type]  # a literal
        pq.write_table(table, tmp_path / name, **chosen)
        group = pq.ParquetFile(tmp_path / name).metadata.row_group(0)
        columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
        assert {*chosen["use_dictionary"], *chosen["column_encoding"]} == set(columns)
        for path, encoding in chosen["column_encoding"].items():
            assert encoding in columns[path].encodings, path
        assert all(column.compression == "ZSTD" for column in columns.values())


def test_what_look_ups_prune_by_has_statistics(tmp_path: Path) -> None:
    pq.write_table(event_rows.to_table([event(1)], [1]), tmp_path / "e", **options("events"))
    group = pq.ParquetFile(tmp_path / "e").metadata.row_group(0)
    with_statistics = {group.column(i).path_in_schema for i in range(group.num_columns) if group.column(i).is_stats_set}
    assert with_statistics == {"trace_id", "start_ns", "booked_ns", "tenant_id", "position", "entry_number"}
