"""The bearer of a key sees its own rows and nobody else's, through every question that the store answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from spanledger.enrich.records import NOBODY, Payers, Resource
from spanledger.store.entries import events, find
from spanledger.store.errors import QueryError
from spanledger.store.ledger import Ledger
from spanledger.store.reports import report
from spanledger.store.sql import sql
from spanledger.store.viewer import Viewer
from tests.store.samples import NOON, event, plain, reading

ACME, GLOBEX, EVERY = Viewer("default", "acme"), Viewer("default", "globex"), Viewer("default", None)
GLOBEXS = Payers(tenant="globex", sources=(("tenant", "span:tenant.id"),))
HOSTILE = ("acme' OR '1'='1", "acme'; DROP VIEW entries; --", "%", "", "ACME", "acme ", "\x00")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two tenants of one account in traces of their own, a trace they share, one of nobody, and one of the other account's acme."""
    with Ledger.open(tmp_path) as ledger:
        shared = event(3).trace_id
        entries = [
            event(1),
            event(2, tenant_id="globex"),
            event(3),
            event(4, tenant_id="globex", trace_id=shared),
            event(5, tenant_id=None),
            event(6, authority="other"),
        ]
        nobodys = reading(5)._replace(payers=NOBODY)
        spans = [reading(1), reading(2, payers=GLOBEXS), reading(3), reading(4, trace_id=shared), nobodys, reading(6, authority="other")]
        ledger.commit(entries, spans, position=1, open_position=0, booked_ns=NOON)
    return tmp_path


@pytest.fixture
def opened(folder: Path) -> Iterator[Ledger]:
    with Ledger.open(folder, read_only=True) as ledger:
        yield ledger


def numbers(ledger: Ledger, viewer: Viewer | None, table: str) -> list[int]:
    ledger.viewer = viewer
    return sorted(int.from_bytes(row[0], "big") for row in sql(ledger, f"SELECT span_id FROM {table}").rows)


@pytest.mark.parametrize(
    ("viewer", "entries", "spans"),
    [
        (None, [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]),  # the control: all of it is there
        (ACME, [1, 3], [1]),  # not the spans of the trace it shares
        (GLOBEX, [2, 4], [2]),
        (EVERY, [1, 2, 3, 4, 5], [1, 2, 3, 4, 5]),
        (Viewer("other", "acme"), [6], [6]),
        (Viewer("nobody", None), [], []),
    ],
)
def test_each_sees_its_own(opened: Ledger, viewer: Viewer | None, entries: list[int], spans: list[int]) -> None:
    assert numbers(opened, viewer, "entries") == entries
    assert numbers(opened, viewer, "events") == entries
    assert numbers(opened, viewer, "spans") == spans
    assert [row["entry_number"] for row in events(opened)] == entries


def test_reports_add_up_what_is_seen(opened: Ledger) -> None:
    opened.viewer = ACME
    table = report(opened)
    assert [row[0] for row in table.rows] == ["acme"]
    assert table.totals[1] == 2


def test_what_is_not_ones_own_is_not_found(opened: Ledger) -> None:
    foreign = event(2)
    opened.viewer = GLOBEX
    assert len(find(opened, foreign.event_id.hex()).entries) == 1
    opened.viewer = ACME
    for text in (foreign.event_id.hex(), foreign.span_id.hex(), foreign.trace_id.hex(), foreign.response_id or ""):
        assert find(opened, text) == ([], [])


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_values_and_never_sql(opened: Ledger, name: str) -> None:
    assert numbers(opened, Viewer("default", name), "entries") == []
    assert numbers(opened, Viewer(name, None), "spans") == []


@pytest.mark.parametrize("table", ["every_entries", "every_spans", "viewer", "main.every_entries", "memory.main.every_entries"])
def test_sql_does_not_reach_behind_the_view(opened: Ledger, table: str) -> None:
    opened.viewer = ACME
    with pytest.raises(Exception, match="there is no table"):
        sql(opened, f"SELECT * FROM {table}")


def test_a_trace_that_was_first_of_nobody_is_seen_once_it_is_ones_own(tmp_path: Path) -> None:
    first = event(1, tenant_id=None)
    back = event(2, kind="reversal", ref_event_id=first.event_id, trace_id=first.trace_id, span_id=first.span_id, tenant_id=None)
    now = event(3, ref_event_id=first.event_id, trace_id=first.trace_id, span_id=first.span_id)
    with Ledger.open(tmp_path) as ledger:
        ledger.commit([first, back, now], [reading(1)], position=1, open_position=0, booked_ns=NOON)
        ledger.viewer = ACME
        assert [int(row["event_id"], 16) for row in events(ledger)] == [3]
        assert numbers(ledger, ACME, "spans") == [1]


@pytest.mark.parametrize(
    "foreign",
    [
        {"payers": GLOBEXS},
        {"resource": Resource("svc-1", GLOBEXS)},
        {"payers": Payers(allocation=(("acme", 1), ("globex", 1)))},
        {"key_tenant": "globex"},
    ],
)
def test_the_spans_of_a_trace_are_not_shown_if_one_was_sent_for_another_who_was_charged_nothing(
    tmp_path: Path, foreign: dict[str, object]
) -> None:
    with Ledger.open(tmp_path) as ledger:
        theirs = plain(2, trace_id=event(1).trace_id, **foreign)
        ledger.commit([event(1)], [reading(1), theirs], position=1, open_position=0, booked_ns=NOON)
        assert numbers(ledger, ACME, "spans") == []
        assert numbers(ledger, EVERY, "spans") == [1, 2]


def test_what_a_span_claims_beside_the_key_it_came_with_hides_nothing(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        ledger.commit([event(1)], [reading(1, payers=GLOBEXS, key_tenant="acme")], position=1, open_position=0, booked_ns=NOON)
        assert numbers(ledger, ACME, "spans") == [1]


PROBES = (
    "SELECT * FROM entries WHERE CAST(tenant_id AS INT) = 1",
    "SELECT * FROM events WHERE error(tenant_id) IS NULL",
    "SELECT * FROM spans WHERE CAST(payers AS INT) = 1",
    "SELECT stats(tenant_id), stats(authority) FROM entries",
    "SELECT stats(payers) FROM spans LIMIT 1",
    "SELECT approx_count_distinct(tenant_id), max(tenant_id), min(tenant_id) FROM entries",
)
"""Queries whose errors and statistics tell of rows that a view leaves out, where DuckDB looks at them first."""


def asked(ledger: Ledger, query: str) -> str:
    try:
        return str(sql(ledger, query).rows)
    except QueryError as error:
        return str(error)


@pytest.mark.parametrize("query", PROBES)
def test_a_query_is_never_evaluated_on_rows_that_are_not_seen(opened: Ledger, query: str) -> None:
    opened.viewer = ACME
    assert "globex" not in asked(opened, query)


def test_without_the_copy_these_queries_tell(opened: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanledger.store.sql.copy_seen", lambda *_: None)
    opened.viewer = ACME
    assert any("globex" in asked(opened, query) for query in PROBES)
