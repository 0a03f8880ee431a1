"""The bar of tenants kept apart: whatever the bearer of a tenant's key asks or sends, it learns of nobody else and changes nobody else."""

from __future__ import annotations

import http.client
import os
import random
import string
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

from tests.cli.otlp import chat
from tests.cli.runner import COMMAND, Server, events, spanledger
from tests.reliability.bars import Bar, Figures, require
from tests.reliability.foreign import (
    ACME,
    Senders,
    World,
    claim,
    export,
    make_key,
    populate,
    post,
    senders,
    settle,
    tenant_spellings,
)

SHORT = {"command": 60, "sql": 120, "http": 2_000, "process": 2}
LONG = {"command": 3_000, "sql": 6_000, "http": 90_900, "process": 100}
REVOKED_WITHIN_SECONDS = 5.0
_REFUSED_AT_ALL_SECONDS = 60.0
"""What the short form asks, where other tests may have the machine; the long form goes by the promise."""
_ENTRIES_LEAST = 40

DIMENSIONS = (
    *("tenant", "user", "session", "workflow", "agent", "feature", "environment", "service", "provider", "model", "operation", "surface"),
    *("tier", "hour", "day", "week", "month", "kind", "reason", "run", "tenant.plan", "tenant.parent", "tenant.nothing", "nothing"),
)
FILTERS = ("tenant", "user", "session", "workflow", "agent", "feature", "environment", "service", "provider", "model")
FORMATS = ("table", "json", "jsonl", "csv", "markdown")
SOURCES = (
    *(
        "entries",
        "events",
        "spans",
        "every_entries",
        "every_spans",
        "main.every_entries",
        "memory.main.every_entries",
        "viewer",
        "seen_spans",
    ),
    *("duckdb_views()", "duckdb_tables()", "duckdb_columns()", "duckdb_settings()", "duckdb_secrets()", "duckdb_functions()"),
    *("duckdb_temporary_files()", "duckdb_logs", "information_schema.tables", "information_schema.columns", "pg_catalog.pg_views"),
    *("sqlite_master", "pragma_database_list()", "pragma_table_info('entries')", "pragma_storage_info('entries')", "glob('{data}/**')"),
    *(
        "read_parquet('{data}/events/**/*.ledger')",
        "'{data}/events/*/*.ledger'",
        "read_blob('{data}/meta.sqlite')",
        "read_text('{data}/secret')",
    ),
    *("sqlite_scan('{data}/meta.sqlite', 'keys')", "parquet_metadata('{data}/events/*/*.ledger')", "query('FROM every_entries')"),
    *(
        "query_table('every_entries')",
        "(FROM every_entries)",
        "(SHOW ALL TABLES)",
        "(DESCRIBE entries)",
        "(SUMMARIZE entries)",
        "test_all_types()",
    ),
)
EXPRESSIONS = (
    *("*", "COLUMNS(*)", "count(*)", "min(tenant_id), max(tenant_id)", "stats(tenant_id)", "stats(authority)", "histogram(tenant_id)"),
    *("approx_top_k(tenant_id, 50)", "string_agg(tenant_id, ',')", "list(DISTINCT service)", "error(tenant_id)", "CAST(tenant_id AS INT)"),
    *("getenv('HOME')", "current_setting('allowed_paths')", "getvariable('x')", "filename", "rowid", "pg_get_viewdef(1)", "sum(cost_usd)"),
    *("entries", "spans", "json_serialize_sql('FROM every_entries')", "current_database()", "current_schemas(true)", "hex(event_id)"),
    *("json_execute_serialized_sql('x')", "CAST(payers AS INT)", "stats(payers)", "approx_quantile(cost_usd, 0.5)", "mode(service)"),
)
WHERES = (
    *(
        "",
        "WHERE true",
        "WHERE 1 = 1 OR true",
        "WHERE CAST(tenant_id AS INT) = 1",
        "WHERE error(tenant_id) IS NULL",
        "WHERE 1/0 = 1 OR true",
    ),
    *(
        "WHERE tenant_id <> 'acme'",
        "WHERE authority <> 'default'",
        "WHERE CAST(service AS DATE) > DATE '2020-01-01'",
        "LIMIT 1",
        "GROUP BY ALL",
    ),
    *(
        "WHERE regexp_matches(service, '(')",
        "UNION ALL FROM every_entries",
        "UNION ALL BY NAME SELECT * FROM every_spans",
        "ORDER BY tenant_id",
    ),
    *("WHERE cost_usd < (SELECT max(cost_usd) FROM every_entries)", "WHERE tenant_id IN (SELECT tenant_id FROM every_entries)"),
)
STATEMENTS = (
    *(
        "ATTACH '{data}/meta.sqlite' AS x",
        "COPY entries TO '{data}/x.csv'",
        "INSTALL httpfs",
        "LOAD sqlite",
        "PRAGMA show_tables",
        "SHOW TABLES",
    ),
    *(
        "SET enable_external_access = true",
        "RESET allowed_paths",
        "CREATE VIEW v AS FROM every_entries",
        "DROP VIEW entries",
        "CALL pragma_version()",
    ),
    *(
        "EXPORT DATABASE '{data}/x'",
        "EXPLAIN SELECT * FROM entries",
        "SELECT 1; SELECT * FROM every_entries",
        "CREATE MACRO m() AS TABLE FROM spans",
    ),
    *(
        "WITH entries AS (FROM every_entries) FROM entries",
        "WITH x AS MATERIALIZED (FROM every_spans) FROM x",
        "PREPARE p AS FROM every_entries",
    ),
    *(
        "SELECT * FROM entries e, LATERAL (SELECT * FROM every_entries w WHERE w.trace_id = e.trace_id)",
        "FROM entries SEMI JOIN every_spans USING (trace_id)",
    ),
    *(
        "SELECT * FROM entries AT (VERSION => 1)",
        "PIVOT every_entries ON tenant_id USING count(*)",
        "VALUES (getenv('PATH'))",
        "TABLE every_entries",
    ),
)
"""Attempts to read past the view: the whole tables, the files, the catalog, settings, errors and statistics."""


def run(seed: int, long: bool, folder: Path) -> Figures:
    """Ask everything there is to ask with a tenant's key, and send under it what is another's."""
    return _try(seed, LONG if long else SHORT, folder)


def _try(seed: int, counts: dict[str, int], folder: Path) -> Figures:
    rng = random.Random(seed)
    marker = "".join(rng.choices(string.ascii_lowercase, k=12))
    data = folder / "data"
    keys = senders(data, marker)
    asking = make_key(data, "--tenant", ACME, "--scope", "read")
    spanledger("tenants", "set", f"{marker}-tenant", "plan=pro", f"{marker}=x", "--data", data)
    spanledger("tenants", "set", ACME, "plan=free", f"parent={marker}-holding", "--data", data)
    server = Server(data, env={"SPANLEDGER_ENRICH__SETTLE__AGGREGATE_WAIT_SECONDS": "1"})
    try:
        populate(server, keys, marker, rng)
        booked = settle(server, data, _ENTRIES_LEAST)
        world = _world(data, asking, marker, booked)
        asked = _ask(world, server, rng, counts)
        spellings = _claim_everything(server, keys, data, marker)
        _send_again_elsewhere(server, keys, data, marker)
        seconds = _revoke(server, data, REVOKED_WITHIN_SECONDS if counts is LONG else _REFUSED_AT_ALL_SECONDS)
    finally:
        server.stop()
    log = server.log.read_text()
    require(marker not in log, f"seed {seed}: the log names a tenant")
    return {"requests": sum(asked.values()), **asked, "foreign": 0, "spellings_of_a_tenant": spellings, "revoked_seconds": seconds}


def _world(data: Path, key: str, marker: str, booked: list[dict[str, object]]) -> World:
    own = [row for row in booked if row["tenant_id"] == ACME and row["authority"] == "default"]
    own_ids = {str(row[name]) for row in own for name in ("event_id", "span_id", "trace_id")}
    others = {str(row[name]) for row in booked if row not in own for name in ("event_id", "trace_id")} - own_ids
    require(len(own) >= 14 and len(others) > _ENTRIES_LEAST, f"the ledger is not the one that was meant: {len(own)}, {len(others)}")
    return World(data, key, marker, frozenset(others), tuple(sorted(own_ids)))


# -- asking --------------------------------------------------------------------------------------------------------------


def _ask(world: World, server: Server, rng: random.Random, counts: dict[str, int]) -> Counter[str]:
    surfaces: dict[str, Callable[[], tuple[list[str], str]]] = {
        "command": lambda: _in_process(world, _command(world, rng)),
        "sql": lambda: _in_process(world, ["sql", _query(world, rng), "--format", rng.choice(FORMATS)]),
        "http": partial(_get, world, server, rng),
        "process": lambda: _as_process(world, _command(world, rng)),
    }
    asked: Counter[str] = Counter()
    for surface, count in counts.items():
        for _ in range(count):
            words, said = surfaces[surface]()
            asked[surface] += 1
            for word in sorted(words, key=len, reverse=True):
                said = said.replace(word, "")  # what was asked for may be said back
            told = [needle for needle in (world.marker, *world.ids) if needle in said]
            require(not told, f"{surface} {words} told of others: {said[:600]}")
    return asked


def _in_process(world: World, words: list[str]) -> tuple[list[str], str]:
    answer = spanledger(*words, "--data", world.data, "--key", world.key)
    return words, answer.out + answer.err


def _as_process(world: World, words: list[str]) -> tuple[list[str], str]:
    done = subprocess.run(
        [*COMMAND, *words, "--data", str(world.data)],
        env=os.environ | {"SPANLEDGER_KEY": world.key},
        capture_output=True,
        text=True,
        check=False,
    )
    return words, done.stdout + done.stderr


def _get(world: World, server: Server, rng: random.Random) -> tuple[list[str], str]:
    path = rng.choice(
        ("/metrics", "/healthz", "/readyz", "/", "/v1/traces", "/v1/report", f"/{world.marker}-tenant", "/../meta.sqlite", "/%2e%2e/secret")
    )
    path += rng.choice(("", "?tenant=*", f"?tenant={world.marker}-tenant", "?format=json", "/"))
    headers = rng.choice(({}, {"Authorization": f"Bearer {world.key}"}, {"X-Scope-OrgID": f"{world.marker}-tenant"}))
    connection = http.client.HTTPConnection(server.http, timeout=30)
    try:
        connection.request(rng.choice(("GET", "GET", "HEAD", "OPTIONS")), path, headers=headers)
        answer = connection.getresponse()
        return [path], str(answer.getheaders()) + answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def _name(world: World, rng: random.Random) -> str:
    kinds = ("tenant", "user.id", "session.id", "agent", "model", "provider", "service", "account", "holding", "tool")
    return rng.choice((ACME, "", "user-1", "%", f"{ACME}' OR '1'='1", f"{world.marker}-{rng.choice(kinds)}"))


def _identifier(world: World, rng: random.Random) -> str:
    found = rng.choice((rng.choice(world.own_ids), rng.choice(sorted(world.ids)), f"{world.marker}-{rng.randrange(100, 124)}"))
    return found[: rng.choice((4, 8, 16, 64))]


def _command(world: World, rng: random.Random) -> list[str]:
    """A question with options drawn at random."""
    by = ",".join(rng.sample(DIMENSIONS, rng.randrange(1, 4)))
    form = ["--format", rng.choice(FORMATS)]
    narrowed = [word for name in rng.sample(FILTERS, rng.randrange(3)) for word in (f"--{name}", _name(world, rng))]
    identifier = _identifier(world, rng)
    priced = rng.choice((f"{world.marker}-model", "gpt-4o-mini", f"{world.marker}-prices"))
    kinds: tuple[list[str], ...] = (
        ["report", "--by", by, *narrowed, *form, *rng.choice(([], ["--confidence"], ["--limit", "2"], ["--basis", "booked"]))],
        ["top", "--by", by, "--since", "2020-01-01", *form],
        ["events", *narrowed, *form, *rng.choice(([], ["--all"]))],
        ["changes", "--since", rng.choice(("2020-01-01", "1h")), *narrowed, *form, *rng.choice(([], ["--entries"], ["--by", by]))],
        ["explain", identifier, *rng.choice(([], ["--format", "json"], ["--format", "html"], ["--tenant", _name(world, rng)]))],
        ["explain", "--tenant", _name(world, rng), "--format", rng.choice(("text", "json", "html", "markdown")), "--month", "2026-11"],
        ["explain", "--since", "2020-01-01", "--format", rng.choice(("text", "json", "markdown"))],
        ["tree", identifier],
        ["prove", identifier],
        ["doctor", *form],
        ["runs", "list", *form],
        ["runs", "show", rng.choice(("rp1-", "ry1-", ""))],
        ["tenants", "list", *rng.choice(([], [_name(world, rng)])), *form],
        ["prices", *rng.choice((["list"], ["list", "--history"], ["show", priced], ["models", world.marker], ["history", priced])), *form],
        ["prices", *rng.choice((["export"], ["lint"])), rng.choice(("active", "shipped", f"{world.marker}-prices"))],
        [*rng.choice((["keys", "list"], ["verify"], ["compact"], ["reprice"], ["replay"], ["prices", "diff", "active", "shipped"]))],
    )
    words = rng.choice(kinds)
    return [*words[:1], "--api-key", world.key] if words[0] == "verify" else words


def _query(world: World, rng: random.Random) -> str:
    """SQL that tries to see more."""
    if rng.randrange(4) == 0:
        text = rng.choice(STATEMENTS)
    else:
        text = f"SELECT {rng.choice(EXPRESSIONS)} FROM {rng.choice(SOURCES)} {rng.choice(WHERES)}"
        text = (
            text if rng.randrange(5) else f"SELECT * FROM ({text}) x, (SELECT {rng.choice(EXPRESSIONS)} FROM {rng.choice(SOURCES[:6])}) y"
        )
    return text.replace("{data}", str(world.data))


# -- sending -------------------------------------------------------------------------------------------------------------


def _claim_everything(server: Server, keys: Senders, data: Path, marker: str) -> int:
    """Claim another tenant in every spelling the rules read, under acme's key: all of it is acme's. How many spellings."""
    spellings = tenant_spellings()
    claimed = f"claimed-{marker}"
    for number, (where, key, path) in enumerate(spellings, start=1_000):
        at_resource = {key: claim(path, claimed)} if where == "resource" else None
        call = chat(number, number, None, attributes={} if at_resource else {key: claim(path, claimed)})
        require(post(server.http, keys.acme, call, resource=at_resource) == 200, f"{key} was refused")
    settle(server, data, _ENTRIES_LEAST + len(spellings))
    rows = {int(row["span_id"], 16): row for row in events(data) if row["authority"] == "default"}
    wrong = [key for number, (_, key, _) in enumerate(spellings, start=1_000) if rows[number]["tenant_id"] != ACME]
    require(not wrong, f"a span under acme's key was charged to another by {wrong[:5]}")
    require(not [row for row in rows.values() if row["tenant_id"] == claimed], "a claimed tenant was charged")
    return len(spellings)


def _send_again_elsewhere(server: Server, keys: Senders, data: Path, marker: str) -> None:
    """Send acme's and the neighbour's span, trace and response ids under the key of another account, dearer: theirs stay as they are."""

    def theirs() -> list[dict[str, object]]:
        return [row for row in events(data, "--all") if row["authority"] == "default"]

    before = theirs()
    again = [
        chat(number, number, ACME, input_tokens=999_999, model="gpt-4o", attributes={"gen_ai.response.id": response})
        for number in (*range(1, 13), *range(100, 124), 301, 302)
        for response in (f"chatcmpl-{number}-{number}",)
    ]
    require(post(server.http, keys.elsewhere, *again) == 200, "the other account's spans were refused")
    require(export(server.grpc, keys.elsewhere, *reversed(again)) == "OK", "the other account's spans were refused")
    settle(server, data, len(before) + len(again) // 2)
    require(theirs() == before, "spans of another account have changed what stands in this one")


def _revoke(server: Server, data: Path, within_seconds: float) -> float:
    """Revoke a key that is in use on both ports; after how many seconds it was refused on both."""
    key = make_key(data, "--tenant", ACME)
    call = chat(5_000, 5_000, ACME)
    require(post(server.http, key, call) == 200 and export(server.grpc, key, call) == "OK", "a new key was refused")
    revoked = spanledger("keys", "revoke", key.split("_")[1], "--data", data)
    began = time.monotonic()
    require(revoked.code == 0, revoked.err)
    while post(server.http, key, call) != 401 or export(server.grpc, key, call) != "UNAUTHENTICATED":
        require(time.monotonic() - began < _REFUSED_AT_ALL_SECONDS, "a revoked key is still taken")
        time.sleep(0.05)
    seconds = round(time.monotonic() - began, 2)
    require(seconds <= within_seconds, f"a revoked key was taken for {seconds} s")
    return seconds


# -- controls ------------------------------------------------------------------------------------------------------------


def without_viewer(seed: int, folder: Path) -> Figures:
    """The control: questions are answered as for the owner of the files."""
    with patch("spanledger.cli.access.viewer", lambda: None):
        return _try(seed, SHORT | {"http": 0, "process": 0}, folder)


def without_copy(seed: int, folder: Path) -> Figures:
    """The control: a query runs over the view and not over a copy of what is seen."""
    with patch("spanledger.store.sql.copy_seen", lambda *_: None):
        return _try(seed, {"sql": 3_000}, folder)


def without_lists(seed: int, folder: Path) -> Figures:
    """The control: neither is the statement checked, nor the copy made."""
    with patch("spanledger.store.sql._check", lambda _: None), patch("spanledger.store.sql.copy_seen", lambda *_: None):
        return _try(seed, {"sql": 900}, folder)


BAR = Bar(
    "tenants",
    "a tenant's key shows, by whatever question, nothing of any other tenant or account, and nothing sent with it changes them",
    run,
    {"no viewer": without_viewer, "a view instead of a copy": without_copy, "any statement": without_lists},
)
