"""`report`, `top`, `events` and `sql` over a small ledger whose sums stand on paper."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.ledgers import small_ledger
from tests.cli.otlp import CHAT_USD
from tests.cli.runner import events, spanledger


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_ledger(tmp_path_factory.mktemp("reports"))


def test_report_by_tenant(data: Path) -> None:
    document = json.loads(spanledger("report", "--data", data, "--format", "json").out)
    rows = {row["tenant"]: row for row in document["rows"]}
    # acme: two priced chats at 0.00021 and an unpriced one; globex: one priced, one failed without usage; nobody: one
    assert {tenant: (row["calls"], row["cost_usd"]) for tenant, row in rows.items()} == {
        "acme": (3, "0.00042"),
        "globex": (2, CHAT_USD),
        None: (1, CHAT_USD),
    }
    assert (rows["acme"]["unpriced_calls"], rows["globex"]["failed_calls"], rows["globex"]["unmetered_calls"]) == (1, 1, 0)
    assert (document["totals"]["calls"], document["totals"]["cost_usd"]) == (6, "0.00084")


def test_the_table_names_the_unattributed_and_has_a_total(data: Path) -> None:
    lines = [line.split() for line in spanledger("report", "--data", data).out.splitlines()]
    assert ["(unattributed)", "1", "0", "0", "0", "1,000", "0", "0", "100", "0", CHAT_USD] in lines
    assert [line[-1] for line in lines if line and line[0] == "total"] == ["0.00084"]


def test_several_dimensions_filters_and_formats(data: Path) -> None:
    text = spanledger("report", "--data", data, "--by", "tenant,model", "--tenant", "acme", "--format", "csv").out
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["tenant"], row["model"], row["cost_usd"]) for row in rows] == [
        ("acme", "gpt-4o-mini", "0.00042"),
        ("acme", "nobody-knows-7b", ""),
    ]
    nobody = spanledger("report", "--data", data, "--tenant", "", "--format", "jsonl").rows()
    assert [(row["tenant"], row["calls"]) for row in nobody] == [(None, 1)]
    assert "| (unattributed) | 1 |" in spanledger("report", "--data", data, "--format", "markdown").out


def test_confidence_shows_shares_and_bounds(data: Path) -> None:
    rows = {row["tenant"]: row for row in spanledger("report", "--data", data, "--confidence", "--format", "jsonl").rows()}
    # acme: two of three calls are measured and priced; the third of an unknown model may have cost as much as the largest known
    acme = rows["acme"]
    assert (acme["calls"], acme["measured_calls_pct"], acme["unpriced_calls_pct"], acme["measured_cost_pct"]) == (3, "66.7", "33.3", "100")
    assert (acme["cost_low_usd"], acme["cost_usd"], acme["cost_high_usd"]) == ("0.00042", "0.00042", "0.00063")
    assert (rows["globex"]["unmetered_calls_pct"], rows["globex"]["silent_failed_calls_pct"]) == ("0", "50")
    table = spanledger("report", "--data", data, "--confidence")
    assert table.code == 0, table.err
    assert "0.00063" in table.out


def test_windows_and_time_zones(data: Path) -> None:
    assert len(spanledger("report", "--data", data, "--since", "1h", "--format", "jsonl").rows()) == 3
    assert spanledger("report", "--data", data, "--until", "2020-01-01", "--format", "jsonl").rows() == []
    days = spanledger("report", "--data", data, "--by", "day", "--tz", "Asia/Kolkata", "--since", "2d", "--format", "jsonl").rows()
    assert sum(row["calls"] for row in days) == 6
    for args in (["--since", "yesteryear"], ["--tz", "Mars/Base"], ["--by", "colour"], ["--since", "1h", "--until", "2h"]):
        answer = spanledger("report", "--data", data, *args)
        assert answer.code == 1
        assert answer.err.count("\n") == 1


def test_top_ranks_by_cost(data: Path) -> None:
    rows = spanledger("top", "--data", data, "--limit", "1", "--format", "jsonl").rows()
    assert [row["tenant"] for row in rows] == ["acme"]
    assert len(spanledger("top", "--data", data, "--by", "tenant,model", "--format", "jsonl").rows()) == 4


def test_events_have_every_key_and_the_table_a_few(data: Path) -> None:
    found = events(data)
    assert len(found) == 6
    needed = (
        "event_id trace_id span_id operation request_model response_model response_id tenant_id session_id user_id usage_state "
        "input_tokens cache_read_tokens cache_write_tokens cache_write_1h_tokens output_tokens reasoning_tokens cost_usd"
    )
    assert set(needed.split()) <= set(found[0])
    told_twice = next(event for event in found if event["suppressed_span_ids"])
    assert len(told_twice["suppressed_span_ids"]) == 1
    table = spanledger("events", "--data", data, "--tenant", "acme", "--session", "s-1").out
    assert table.count(CHAT_USD) == 2
    assert len(events(data, "--limit", "2")) == 2


def test_sql_reads_and_only_reads(data: Path) -> None:
    query = "SELECT tenant_id, SUM(cost_usd) AS usd FROM events GROUP BY 1 ORDER BY 1 NULLS LAST"
    rows = spanledger("sql", "--data", data, query, "--format", "jsonl").rows()
    assert rows == [
        {"tenant_id": "acme", "usd": "0.00042"},
        {"tenant_id": "globex", "usd": CHAT_USD},
        {"tenant_id": None, "usd": CHAT_USD},
    ]
    for refused in ("DROP TABLE events", "SELECT * FROM read_csv('/etc/passwd')", "COPY events TO '/tmp/x'", "SELEC", "ATTACH 'x'"):
        answer = spanledger("sql", "--data", data, refused)
        assert answer.code == 1
        assert answer.err.count("\n") == 1


def test_sql_says_when_rows_are_left_out(data: Path) -> None:
    answer = spanledger("sql", "--data", data, "SELECT * FROM range(20000)", "--format", "csv")
    assert answer.out.count("\n") == 10_001
    assert "only the first 10,000 rows" in answer.err
