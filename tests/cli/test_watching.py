"""/metrics, the dashboard and the alerts: valid text in both formats, fixed labels whatever is sent, and every name in use exists."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse

from spanledger.cli.metrics import forward_metrics
from spanledger.store.forwarding import ForwardState
from tests.cli.otlp import as_json, as_protobuf, chat
from tests.cli.runner import Server, server, spanledger

ROOT = Path(__file__).resolve().parents[2]
OPS = ROOT / "otel-config/ops"
HOSTILE = 'x"} 1\nspanledger_fake{a="\\'
VOCABULARY = {
    "transport": {"grpc", "http"},
    "outcome": {"accepted", "retry", "rejected"},
    "reason": {
        "malformed", "too_large", "unsupported_encoding", "unauthenticated", "forbidden", "not_found", "method_not_allowed",
        "slow_body", "no_message", "overloaded", "journal_unavailable", "stopping", "internal",
    },
    "what": {"scopes", "spans", "parts"},
}  # fmt: skip


def get(running: Server, path: str, accept: str = "", method: str = "GET") -> tuple[int, str, str]:
    connection = http.client.HTTPConnection(running.http, timeout=10)
    try:
        connection.request(method, path, headers={"Accept": accept} if accept else {})
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read().decode()
    finally:
        connection.close()


def post(running: Server, body: bytes, headers: dict[str, str], path: str = "/v1/traces") -> int:
    connection = http.client.HTTPConnection(running.http, timeout=10)
    try:
        connection.request("POST", path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def send_hostile_names(running: Server) -> None:
    """The same wild text as tenant, model, service, span name, key, path, content type and encoding; good and bad requests."""
    spans = [chat(n, n, HOSTILE, model=HOSTILE, name=HOSTILE, attributes={HOSTILE: HOSTILE, "user.id": HOSTILE}) for n in range(1, 4)]
    assert post(running, as_json(*spans), {"Content-Type": "application/json"}) == 200
    assert post(running, as_protobuf(*spans), {"Content-Type": "application/x-protobuf"}) == 200
    quoted = HOSTILE.replace("\n", "")
    assert post(running, b"", {"Content-Type": quoted}) == 415
    assert post(running, b"", {"Content-Type": "application/json", "Content-Encoding": quoted}) == 415
    assert post(running, b"{", {"Content-Type": "application/json", "Authorization": f"Bearer {quoted}"}) == 400
    assert post(running, b"", {}, path="/v1/spanledger_fake") == 404
    assert get(running, "/v1/traces", method="DELETE")[0] == 405
    with grpc.insecure_channel(running.grpc) as channel, pytest.raises(grpc.RpcError):
        channel.unary_unary("/spanledger_fake/Export")(b"", timeout=10)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """What a server shows that was sent hostile names: plain, and as OpenMetrics."""
    data = tmp_path_factory.mktemp("watching") / "data"
    with server(data, env={"SPANLEDGER_WORKER__COMPACT_EVERY_SECONDS": "1"}) as running:
        send_hostile_names(running)
        running.wait_for(data, 3)
        while "spanledger_ledger_files 0\n" in get(running, "/metrics")[2]:
            time.sleep(0.1)
        status, kind, plain = get(running, "/metrics")
        assert (status, kind.partition(";")[0]) == (200, "text/plain")
        status, kind, opened = get(running, "/metrics", "application/openmetrics-text; version=1.0.0")
        assert (status, kind.partition(";")[0]) == (200, "application/openmetrics-text")
        yield plain, opened


def test_both_formats_are_valid_and_say_the_same(texts: tuple[str, str]) -> None:
    plain, opened = (
        {sample.name: family.type for family in families for sample in family.samples}
        for families in (parse(texts[0]), parse_open_metrics(texts[1]))
    )
    assert plain == opened
    assert set(plain.values()) == {"counter", "gauge", "histogram"}
    assert all(name.startswith("spanledger_") for name in plain)


def test_labels_stay_within_a_fixed_vocabulary_whatever_is_sent(texts: tuple[str, str]) -> None:
    for family in parse(texts[0]):
        for sample in family.samples:
            for label, value in sample.labels.items():
                assert value in VOCABULARY[label] if label != "le" else float(value) >= 0, sample
    assert "fake" not in texts[0]


def test_what_operators_are_promised_is_there(texts: tuple[str, str]) -> None:
    values = {sample.name: sample.value for family in parse(texts[0]) for sample in family.samples if not sample.labels}
    for name in ("worker_lag_bytes", "worker_settle_lag_bytes", "worker_open_traces", "worker_unattributed_calls_total", "receiver_ready"):
        assert f"spanledger_{name}" in values
    assert values["spanledger_worker_unpriced_calls_total"] == 3
    assert values["spanledger_worker_commit_duration_seconds_count"] == values["spanledger_worker_commits_total"] >= 1
    assert 0 < values["spanledger_disk_free_bytes"] < values["spanledger_disk_size_bytes"]
    assert values["spanledger_ledger_files"] >= 2
    reasons = {sample.labels["reason"] for family in parse(texts[0]) if family.name.endswith("_rejected") for sample in family.samples}
    assert reasons == {"malformed", "unsupported_encoding", "not_found", "method_not_allowed"}


def shown(texts: tuple[str, str]) -> set[str]:
    return {sample.name for family in parse(texts[0]) for sample in family.samples}


@pytest.mark.parametrize("name", ["grafana-dashboard.json", "prometheus-alerts.yaml"])
def test_dashboard_and_alerts_use_names_that_exist(texts: tuple[str, str], name: str) -> None:
    used = set(re.findall(r"spanledger_[a-z_]+", (OPS / name).read_text("utf-8")))
    assert used
    assert used <= shown(texts), used - shown(texts)


def test_the_dashboard_is_one() -> None:
    board = json.loads((OPS / "grafana-dashboard.json").read_text("utf-8"))
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    assert all(target["expr"].count("(") == target["expr"].count(")") for panel in board["panels"] for target in panel["targets"])


def test_the_alerts_are_rules() -> None:
    (group,) = yaml.safe_load((OPS / "prometheus-alerts.yaml").read_text("utf-8"))["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(names) == len(set(names))
    for rule in group["rules"]:
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
        assert re.fullmatch(r"[0-9]+[mh]", rule["for"])


def test_every_metric_is_explained(texts: tuple[str, str]) -> None:
    told = (ROOT / "docs/operations.md").read_text("utf-8")
    forwarding = {sample.name for family in parse(forward_metrics(ForwardState(1, 0), 1, 0)) for sample in family.samples}
    assert len(forwarding) >= 4
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown(texts) | forwarding}
    assert not [name for name in families if f"`{name}`" not in told]


def test_health_and_readiness(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with server(data) as running:
        assert get(running, "/healthz")[:1] + get(running, "/healthz")[2:] == (200, "ok\n")
        assert get(running, "/readyz")[:1] + get(running, "/readyz")[2:] == (200, "ready\n")
        assert spanledger("keys", "create", "--data", data).code == 0
        assert get(running, "/metrics")[0] == 200, "no key is needed, and nothing is in it that needs one"
