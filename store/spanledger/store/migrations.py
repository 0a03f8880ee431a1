"""The metastore's schema as the steps that made it, so that a data folder of any earlier version is opened and brought on.

A step that has been released is never changed; what is new is a step of its own at the end.
"""

from __future__ import annotations


def _logged(table: str, columns: str) -> str:
    """Triggers that write every change of a table to `admin_log` (see admin_log.py), and rows that stand there already.

    The log never changes what a released step wrote, so neither may this: a table with new columns gets new triggers in a new step.
    """
    old, new, row = (", ".join(column.replace("$", prefix) for column in columns.split(", ")) for prefix in ("OLD.", "NEW.", ""))
    now = "CAST(strftime('%s', 'now') AS INTEGER)"
    parts = [f"INSERT INTO admin_log (change) SELECT json_array('{table}', {now}, NULL, json_array({row})) FROM {table}"]  # noqa: S608 - our own names
    for name, event, before, after in (
        ("added", "INSERT", "NULL", f"json_array({new})"),
        ("changed", "UPDATE", f"json_array({old})", f"json_array({new})"),
        ("removed", "DELETE", f"json_array({old})", "NULL"),
    ):
        change = f"json_array('{table}', {now}, {before}, {after})"
        insert = f"INSERT INTO admin_log (change) VALUES ({change})"  # noqa: S608 - our own names
        parts.append(f"CREATE TRIGGER {table}_{name} AFTER {event} ON {table} BEGIN {insert}; END")
    return "; ".join(parts)


MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE commits (
        number INTEGER PRIMARY KEY,
        position INTEGER NOT NULL,
        open_position INTEGER NOT NULL,
        booked_ns INTEGER NOT NULL,
        event_rows INTEGER NOT NULL,
        span_rows INTEGER NOT NULL,
        entries_total INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE files (
        path TEXT PRIMARY KEY,
        table_name TEXT NOT NULL CHECK (table_name IN ('events', 'spans')),
        event_date TEXT NOT NULL,
        rows INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        position_min INTEGER NOT NULL,
        position_max INTEGER NOT NULL,
        start_ns_min INTEGER NOT NULL,
        start_ns_max INTEGER NOT NULL,
        received_ns_max INTEGER NOT NULL,
        is_pruned INTEGER NOT NULL,
        schema_version INTEGER NOT NULL,
        added_in_commit INTEGER NOT NULL REFERENCES commits (number),
        removed_in_commit INTEGER REFERENCES commits (number),
        removed_ns INTEGER
    ) STRICT;
    CREATE INDEX files_live ON files (table_name, event_date) WHERE removed_in_commit IS NULL;
    CREATE INDEX files_removed ON files (removed_ns) WHERE removed_in_commit IS NOT NULL;
    CREATE TABLE keys (
        key_id TEXT PRIMARY KEY,
        secret_sha256 BLOB NOT NULL,
        authority TEXT NOT NULL,
        tenant TEXT,
        scopes TEXT NOT NULL,
        name TEXT NOT NULL,
        created_ns INTEGER NOT NULL,
        expires_ns INTEGER,
        revoked_ns INTEGER
    ) STRICT;
    CREATE TABLE leases (
        name TEXT PRIMARY KEY,
        holder TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        expires_ns INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE tenants (
        authority TEXT NOT NULL,
        tenant_id TEXT NOT NULL,
        name TEXT,
        settings TEXT NOT NULL DEFAULT '{}',
        created_ns INTEGER NOT NULL,
        PRIMARY KEY (authority, tenant_id)
    ) STRICT;
    CREATE TABLE catalogs (
        catalog_id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        source TEXT NOT NULL,
        body BLOB NOT NULL,
        added_ns INTEGER NOT NULL
    ) STRICT;
    """,
    """
    CREATE TABLE tenant_facts (
        authority TEXT NOT NULL,
        tenant_id TEXT NOT NULL,
        attribute TEXT NOT NULL,
        value TEXT NOT NULL,
        from_ns INTEGER NOT NULL,
        until_ns INTEGER NOT NULL,
        PRIMARY KEY (authority, tenant_id, attribute, from_ns)
    ) STRICT;
    """,
    """
    CREATE TABLE tellers (
        authority TEXT NOT NULL,
        service TEXT NOT NULL,
        scope TEXT NOT NULL,
        dialect TEXT NOT NULL,
        PRIMARY KEY (authority, service, scope, dialect)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    CREATE TABLE wide_traces (
        trace_id BLOB NOT NULL,
        authority TEXT NOT NULL,
        day INTEGER NOT NULL,
        PRIMARY KEY (trace_id, authority, day)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    INSERT INTO settings SELECT 'tellers', 'many' WHERE EXISTS (SELECT 1 FROM commits)
    """,  # who told of the calls of earlier commits was not noted
    """
    ALTER TABLE catalogs ADD COLUMN kind TEXT NOT NULL DEFAULT 'catalog' CHECK (kind IN ('catalog', 'overlay', 'terms'));
    CREATE TABLE price_books (
        book_id TEXT PRIMARY KEY,
        base TEXT NOT NULL REFERENCES catalogs (catalog_id),
        overlays TEXT NOT NULL,
        terms TEXT REFERENCES catalogs (catalog_id)
    ) STRICT;
    CREATE TABLE activations (
        revision INTEGER PRIMARY KEY,
        book_id TEXT NOT NULL REFERENCES price_books (book_id),
        follows_shipped INTEGER NOT NULL,
        actor TEXT NOT NULL,
        reason TEXT NOT NULL,
        since_ns INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE runs (
        run_id TEXT PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('reprice', 'replay')),
        inputs TEXT NOT NULL,
        actor TEXT,
        reason TEXT,
        entries INTEGER NOT NULL,
        total_usd TEXT NOT NULL,
        committed_in INTEGER NOT NULL REFERENCES commits (number),
        booked_ns INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE chain_head (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        ledger_id TEXT NOT NULL,
        commit_number INTEGER NOT NULL,
        size INTEGER NOT NULL,
        peaks BLOB NOT NULL,
        chain_hash BLOB NOT NULL,
        file_end INTEGER NOT NULL,
        line BLOB NOT NULL
    ) STRICT;
    CREATE TABLE chain_files (first INTEGER PRIMARY KEY, root BLOB NOT NULL) STRICT;
    ALTER TABLE files ADD COLUMN sha256 BLOB;
    ALTER TABLE files ADD COLUMN row_sha256 BLOB
    """,
    """
    CREATE TABLE seekers (
        key INTEGER NOT NULL,
        trace_id BLOB NOT NULL,
        authority TEXT NOT NULL,
        day INTEGER NOT NULL,
        PRIMARY KEY (key, trace_id, authority, day)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE session_claims (
        authority TEXT NOT NULL,
        session BLOB NOT NULL,
        field TEXT NOT NULL,
        value BLOB NOT NULL,
        trace_id BLOB NOT NULL,
        PRIMARY KEY (authority, session, field, value, trace_id)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE forward_state (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        entry_number INTEGER NOT NULL,
        since_ns INTEGER NOT NULL,
        sent_ns INTEGER,
        error TEXT,
        failing_since_ns INTEGER,
        rejected INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE forward_totals (series TEXT PRIMARY KEY, totals TEXT NOT NULL) STRICT
    """,
    """
    CREATE TABLE runs_of_all_kinds (
        run_id TEXT PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('reprice', 'replay', 'commitment')),
        inputs TEXT NOT NULL,
        actor TEXT,
        reason TEXT,
        entries INTEGER NOT NULL,
        total_usd TEXT NOT NULL,
        committed_in INTEGER NOT NULL REFERENCES commits (number),
        booked_ns INTEGER NOT NULL
    ) STRICT;
    INSERT INTO runs_of_all_kinds SELECT run_id, kind, inputs, actor, reason, entries, total_usd, committed_in, booked_ns FROM runs;
    DROP TABLE runs;
    ALTER TABLE runs_of_all_kinds RENAME TO runs
    """,
    "; ".join(
        (
            "CREATE TABLE admin_log (seq INTEGER PRIMARY KEY, change TEXT NOT NULL) STRICT",
            _logged("keys", "$key_id, hex($secret_sha256), $authority, $tenant, $scopes, $name, $created_ns, $expires_ns, $revoked_ns"),
            _logged("tenants", "$authority, $tenant_id, $name, $settings, $created_ns"),
            _logged("tenant_facts", "$authority, $tenant_id, $attribute, $from_ns, $until_ns, $value"),
            _logged("catalogs", "$catalog_id, $kind, $name, $source, $added_ns, length($body)"),
            _logged("price_books", "$book_id, $base, $overlays, $terms"),
            _logged("activations", "$revision, $book_id, $follows_shipped, $actor, $reason, $since_ns"),
            _logged("runs", "$run_id, $kind, $inputs, $actor, $reason, $entries, $total_usd, $committed_in, $booked_ns"),
            _logged("settings", "$name, $value"),
            "CREATE TRIGGER admin_log_stays BEFORE DELETE ON admin_log BEGIN SELECT RAISE(ABORT, 'the log only grows'); END",
            "CREATE TRIGGER admin_log_is_fixed BEFORE UPDATE ON admin_log BEGIN SELECT RAISE(ABORT, 'the log only grows'); END",
        )
    ),
    """
    CREATE TABLE pushes (
        destination TEXT PRIMARY KEY,
        entry_number INTEGER NOT NULL,
        events INTEGER NOT NULL,
        sent_ns INTEGER
    ) STRICT
    """,
)
"""Each entry takes the schema one version on; entries are only ever added."""
