"""A real server under real exporters: what is acknowledged is in the ledger, also after SIGTERM under load and after kill -9."""

from __future__ import annotations

import http.client
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from spanledger.cli.folder import DataFolder
from spanledger.cli.worker import PAUSE_VARIABLE
from spanledger.cli.workload import play
from tests.cli.otlp import CHAT_USD, as_protobuf, chat
from tests.cli.runner import Server, events, server, spanledger

PROTOBUF = {"content-type": "application/x-protobuf"}


def post(endpoint: str, body: bytes, headers: dict[str, str] | None = None) -> int:
    connection = http.client.HTTPConnection(endpoint, timeout=10)
    try:
        connection.request("POST", "/v1/traces", body, headers or PROTOBUF)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def test_what_real_exporters_send_is_charged_once_to_the_right_tenant(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with server(data) as running:
        told = play(running.grpc, running.http, sessions=2)
        found = running.wait_for(data, sum(told.calls.values()))
        assert Counter(event["tenant_id"] for event in found) == told.calls
        # the hand-checked call: (9,200 - 7,500) * 3 + 6,000 * 6 + 1,500 * 3.75 + 700 * 15 = 57,225 per million
        (explained,) = [event for event in found if event["span_id"] == told.explain_span]
        assert explained["cost_usd"] == "0.057225"
        assert running.stop() == 0
        assert "everything accepted is in the ledger" in running.log.read_text()
    assert not (data / "server.json").exists()
    stored = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
    assert b"order 4711" not in stored  # the prompt never touched the disk


def test_sigterm_under_load_loses_nothing_acknowledged(tmp_path: Path) -> None:
    data = tmp_path / "data"
    acknowledged: list[int] = []
    with server(data) as running:

        def send(first: int) -> None:
            for number in range(first, first + 100_000):
                try:
                    if post(running.http, as_protobuf(chat(number, number))) != 200:
                        return
                except (OSError, http.client.HTTPException):
                    return
                acknowledged.append(number)

        senders = [threading.Thread(target=send, args=(1 + 100_000 * n,)) for n in range(3)]
        for sender in senders:
            sender.start()
        while len(acknowledged) < 60:
            time.sleep(0.01)
        assert running.stop() == 0
        for sender in senders:
            sender.join()
    found = {int(event["trace_id"], 16) for event in events(data)}
    assert set(acknowledged) <= found
    assert len(found) - len(acknowledged) <= len(senders)  # at most one request each was cut off before its answer


@pytest.mark.parametrize("victim", ["server", "worker"])
def test_kill_9_between_acknowledgement_and_commit_loses_nothing(tmp_path: Path, victim: str) -> None:
    data, pause = tmp_path / "data", tmp_path / "pause"
    pause.touch()
    with server(data, env={PAUSE_VARIABLE: str(pause)}) as running:
        for number in range(1, 6):
            assert post(running.http, as_protobuf(chat(number, number))) == 200
        time.sleep(0.5)  # the worker has read them and would commit now
        assert events(data) == []
        if victim == "server":
            running.kill()
        else:
            os.kill(_worker_of(running), signal.SIGKILL)
            pause.unlink()
            running.wait_for(data, 5)
    pause.unlink(missing_ok=True)
    with server(data) as running:
        found = running.wait_for(data, 5)
        assert {event["cost_usd"] for event in found} == {CHAT_USD}
        assert post(running.http, as_protobuf(*(chat(number, number) for number in range(1, 7)))) == 200  # sent again, with one new
        running.wait_for(data, 6)
    assert len(events(data, "--all")) == 6


def _worker_of(running: Server) -> int:
    children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children")
    found = [int(pid) for task in children.parents[1].iterdir() for pid in (task / "children").read_text().split()]
    assert len(found) == 1
    return found[0]


def test_a_server_that_died_takes_its_worker_along(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with server(data) as running:
        worker = _worker_of(running)
        running.kill()
        deadline = time.monotonic() + 10
        while DataFolder(data).held():
            assert time.monotonic() < deadline, f"worker {worker} goes on without its server"
            time.sleep(0.02)


def test_a_second_server_is_refused_with_one_clear_line(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with server(data) as running:
        answer = spanledger("serve", "--data", data, "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0")
        assert answer.code == 1
        (line,) = [line for line in answer.err.splitlines() if line.startswith("spanledger:")]
        assert f"a server (pid {running.process.pid}" in line
        assert "already keeps" in line
        assert running.process.poll() is None


def test_keys_made_beside_a_running_server_are_needed_at_once_and_revoked_in_time(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with server(data, env={"SPANLEDGER_RECEIVER__KEY_CACHE_SECONDS": "0.2"}) as running:
        assert post(running.http, as_protobuf(chat(1, 1, "acme"))) == 200
        assert "only this machine can send" in running.log.read_text()
        created = spanledger("keys", "create", "--data", data, "--tenant", "globex")
        secret, key_id = created.out.strip(), created.err.split()[1]
        headers = PROTOBUF | {"authorization": f"Bearer {secret}"}
        _until(lambda: post(running.http, as_protobuf(chat(1, 1, "acme")), PROTOBUF) == 401)
        assert post(running.http, as_protobuf(chat(3, 3, "acme")), PROTOBUF | {"authorization": "Bearer nonsense"}) == 401
        assert post(running.http, as_protobuf(chat(4, 4, "acme")), headers) == 200
        assert spanledger("keys", "revoke", "--data", data, key_id).code == 0
        _until(lambda: post(running.http, as_protobuf(chat(4, 4, "acme")), headers) == 401)
        found = running.wait_for(data, 2)
    bound = next(event for event in found if int(event["trace_id"], 16) == 4)
    assert (bound["tenant_id"], bound["claimed_tenant_id"], bound["tenant_source"]) == ("globex", "acme", "key")


def _until(holds: object) -> None:
    assert callable(holds)
    deadline = time.monotonic() + 6
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_address_open_to_others_needs_a_key(tmp_path: Path) -> None:
    answer = spanledger("serve", "--data", tmp_path / "data", "--grpc", "off", "--http", "0.0.0.0:0")
    assert answer.code == 1
    assert "there is no API key: run `spanledger keys create` first" in answer.err


def test_metrics_and_json_logs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with server(data, "--log-format", "json") as running:
        assert post(running.http, as_protobuf(chat(1, 1), chat(2, 2, None))) == 200
        running.wait_for(data, 2)
        time.sleep(0.7)
        connection = http.client.HTTPConnection(running.http, timeout=10)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        assert "\nspanledger_worker_spans_total 2\n" in text
        assert "\nspanledger_worker_entries_total 2\n" in text
        assert "\nspanledger_worker_lag_bytes 0\n" in text
        assert "\nspanledger_worker_unattributed_calls_total 1\n" in text
        assert "acme" not in text
        assert all(line.startswith('{"time"') for line in running.log.read_text().splitlines())


def test_ingest_beside_a_server_sends_to_it_and_waits(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (tmp_path / "a.pb").write_bytes(as_protobuf(chat(1, 1), chat(1, 2)))
    (tmp_path / "b.pb").write_bytes(b"nonsense")
    with server(data):
        answer = spanledger("ingest", "--data", data, tmp_path / "a.pb", tmp_path / "b.pb")
        assert answer.code == 1
        assert f"{tmp_path / 'b.pb'}: refused with HTTP 400" in answer.err
        assert "ingested 1 requests" in answer.err
        assert " spans" not in answer.err  # the server counts those, not the command
        assert len(events(data)) == 2
