"""Which traces the ledger has moved on in since a commit: what was worked out before that commit no longer holds for them."""

from __future__ import annotations

from spanledger.store.history import TraceKey
from spanledger.store.ledger import Ledger
from spanledger.store.metastore import Commit


def traces_since(ledger: Ledger, commit: Commit) -> set[TraceKey]:
    """The traces with a span or an entry that came after a commit.

    Compaction adds files too, under the number of the last commit, so the rows decide.
    """
    import pyarrow.compute as pc  # see files.write_parquet
    import pyarrow.parquet as pq  # as above

    after = ledger.metastore.connection.execute(
        "SELECT path, table_name FROM files WHERE removed_in_commit IS NULL AND added_in_commit > ?", (commit.number,)
    ).fetchall()
    found: set[TraceKey] = set()
    for path, table in after:
        column, least = ("entry_number", commit.entries_total + 1) if table == "events" else ("position", commit.position)
        with pq.ParquetFile(ledger.data_dir / path) as parquet:
            rows = parquet.read(["authority", "trace_id", column])
        rows = rows.filter(pc.greater_equal(rows.column(column), least))
        found.update(zip(rows.column("authority").to_pylist(), rows.column("trace_id").to_pylist(), strict=True))
    return found
