"""The ledger sent on: every entry at least once and told apart by its id, the totals exact, through failures, restarts and kill -9."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spanledger.cli.forward import Forwarding
from spanledger.cli.forward_config import ForwardConfig
from spanledger.cli.forward_send import SendError
from spanledger.store.forwarding import read_state, read_totals, reset
from spanledger.store.metastore import Metastore
from tests.cli.ledgers import small_ledger
from tests.cli.otlp import as_protobuf, chat
from tests.cli.otlp_sink import Sink, attributes, sink
from tests.cli.runner import events, server, spanledger
from tests.cli.test_server import post

NOW = 1_800_000_000_000_000_000


@contextmanager
def forwarding(data: Path, target: Sink, **more: Any) -> Iterator[Forwarding]:
    settings = {
        "endpoint": f"http://127.0.0.1:{target.ports['http']}",
        "protocol": "http",
        "batch_entries": 2,
        "metrics_every_seconds": 0.05,
    }
    with closing(Metastore.open(data)) as store:
        found = Forwarding(data, store, ForwardConfig.model_validate(settings | more))
        try:
            yield found
        finally:
            found.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_ledger(tmp_path_factory.mktemp("ledger"))


@pytest.fixture
def data(made: Path) -> Path:
    """The small ledger, sent on by nobody yet."""
    with closing(Metastore.open(made)) as store, store.transaction():
        store.connection.execute("DELETE FROM forward_state")
        store.connection.execute("DELETE FROM forward_totals")
    return made


def all_entries(data: Path) -> dict[int, tuple[str, str | None, str | None]]:
    """What the ledger has: number -> (event id, tenant, cost)."""
    return {row["entry_number"]: (row["event_id"], row["tenant_id"], row["cost_usd"]) for row in events(data, "--all")}


def arrived(target: Sink) -> dict[int, tuple[str, str | None, str | None]]:
    """What came, each entry once, however often it was sent."""
    found: dict[int, tuple[str, str | None, str | None]] = {}
    for record in target.records():
        told = attributes(record)
        row = (told["log.record.uid"], told.get("spanledger.tenant_id"), told.get("spanledger.cost_usd"))
        assert found.setdefault(told["spanledger.entry_number"], row) == row
    return found


def sums_by_tenant(data: Path) -> dict[str | None, Decimal]:
    sums: dict[str | None, Decimal] = {}
    for _, tenant, cost in all_entries(data).values():
        if cost is not None:
            sums[tenant] = sums.get(tenant, Decimal(0)) + Decimal(cost)
    return sums


def net_calls(data: Path) -> list[tuple[str, int]]:
    return [(row["event_id"], -1 if row["kind"] == "reversal" else 1) for row in events(data, "--all") if row["split_index"] == 0]


def told_costs(target: Sink) -> dict[str | None, float]:
    found: dict[str | None, float] = {}
    for point in target.metrics()["spanledger.cost"].sum.data_points:
        tenant = attributes(point).get("spanledger.tenant_id")
        found[tenant] = found.get(tenant, 0.0) + point.as_double
    return found


def until(done: Callable[[], bool], forward: Forwarding, now_ns: int = NOW) -> int:
    """Steps until it is done, however many fail; how many failed."""
    failed = 0
    for _ in range(200):
        if done():
            return failed
        try:
            forward.step(now_ns)
        except SendError:
            failed += 1
    raise AssertionError("it is never done")


def test_every_entry_arrives_once_and_the_figures_agree(data: Path) -> None:
    with sink() as target, forwarding(data, target) as forward:
        forward.last(NOW)
        assert arrived(target) == all_entries(data)
        assert len(target.records()) == len(all_entries(data)) > 5
        assert told_costs(target) == {tenant: float(cost) for tenant, cost in sums_by_tenant(data).items()}
        assert not forward.step(NOW), "nothing more to send"


def test_failures_before_and_after_the_receiver_took_it_lose_nothing(data: Path) -> None:
    with sink() as target, forwarding(data, target) as forward:
        target.failing = 2
        target.after_taking = 2
        assert until(lambda: len(arrived(target)) == len(all_entries(data)), forward) == 4
        forward.last(NOW)
        assert arrived(target) == all_entries(data)
        assert len(target.records()) > len(all_entries(data)), "what was taken and then refused came twice"
        assert told_costs(target) == {tenant: float(cost) for tenant, cost in sums_by_tenant(data).items()}, "but is counted once"


def test_two_at_once_send_twice_and_count_once(data: Path) -> None:
    """A server that was killed may leave its sender alive for a moment, beside that of the next."""
    with sink() as target, forwarding(data, target) as one, forwarding(data, target, batch_entries=1) as other:
        for _ in range(len(all_entries(data))):
            one.step(NOW)
            other.step(NOW)
        one.last(NOW)
        assert arrived(target) == all_entries(data)
        assert told_costs(target) == {tenant: float(cost) for tenant, cost in sums_by_tenant(data).items()}
        with closing(Metastore.open(data)) as store:
            assert sum(each.get("calls", 0) for each in read_totals(store)[1].values()) == sum(n for *_, n in net_calls(data))


def test_a_restart_goes_on_with_the_same_start_and_the_same_sums(data: Path) -> None:
    with sink() as target:
        with forwarding(data, target) as forward:
            forward.step(NOW)
            forward.step(NOW + 1)
        with forwarding(data, target) as forward:
            forward.last(NOW + 2)
        assert len(target.records()) == len(all_entries(data))
        starts = {point.start_time_unix_nano for metric in target.metrics().values() for point in metric.sum.data_points}
        assert starts == {NOW}
        assert told_costs(target) == {tenant: float(cost) for tenant, cost in sums_by_tenant(data).items()}


def test_what_the_receiver_refuses_for_good_is_counted_and_not_sent_again(data: Path) -> None:
    with sink() as target, forwarding(data, target) as forward:
        target.rejecting = 2
        forward.last(NOW)
        with closing(Metastore.open(data)) as store:
            state = read_state(store)
        assert state is not None
        assert state.rejected == 2
        assert len(target.records()) == len(all_entries(data))


def test_status_says_when_nothing_was_ever_sent_on(data: Path) -> None:
    answer = spanledger("forward", "status", "--data", data, "--format", "jsonl")
    assert (answer.code, answer.out) == (0, "")
    assert "[forward]" in answer.err


def test_an_error_is_noted_and_forgotten_when_it_works(data: Path) -> None:
    with sink() as target, forwarding(data, target) as forward:
        target.failing = 1
        with pytest.raises(SendError):
            forward.step(NOW)
        said = spanledger("forward", "status", "--data", data, "--format", "jsonl").rows()[0]
        assert "503" in said["error"]
        assert (said["entries_sent"], said["lag"]) == (0, said["entries_total"])
        forward.last(NOW + 1)
        said = spanledger("forward", "status", "--data", data, "--format", "jsonl").rows()[0]
        assert (said["error"], said["lag"], said["failing_since"]) == (None, 0, None)


def test_a_reset_sends_again_with_figures_from_zero(data: Path) -> None:
    with sink() as target, forwarding(data, target) as forward:
        forward.last(NOW)
        answer = spanledger("forward", "reset", "--data", data, "--to", "beginning")
        assert (answer.code, answer.err) == (0, "the next entry that is sent on is number 1\n")
        forward.last(NOW + 1)
        assert len(target.records()) == 2 * len(all_entries(data))
        assert told_costs(target) == {tenant: float(cost) for tenant, cost in sums_by_tenant(data).items()}
        spanledger("forward", "reset", "--data", data, "--to", "now")
        forward.last(NOW + 2)
        assert len(target.records()) == 2 * len(all_entries(data))


@pytest.mark.parametrize("where", ["0", "1000", "yesterday"])
def test_a_place_that_is_none_is_refused(data: Path, where: str) -> None:
    answer = spanledger("forward", "reset", "--data", data, "--to", where)
    assert answer.code == 1
    assert "beginning, now, or the number of an entry" in answer.err


def test_a_cursor_beyond_the_ledger_stands_still_and_says_so(data: Path) -> None:
    with closing(Metastore.open(data)) as store:
        reset(store, 1000, NOW)
    with sink() as target, forwarding(data, target) as forward, pytest.raises(SendError, match="forward reset"):
        forward.step(NOW)


def test_only_what_is_wanted_is_sent(data: Path) -> None:
    with sink() as target, forwarding(data, target, events=False) as forward:
        forward.last(NOW)
        assert {signal for signal, _ in target.requests} == {"metrics"}
        assert told_costs(target) == {tenant: float(cost) for tenant, cost in sums_by_tenant(data).items()}


def test_a_server_sends_on_what_it_books_through_kill_9(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with sink() as target:
        env = {
            "SPANLEDGER_FORWARD__ENDPOINT": f"http://127.0.0.1:{target.ports['grpc']}",
            "SPANLEDGER_FORWARD__INTERVAL_SECONDS": "0.05",
            "SPANLEDGER_FORWARD__METRICS_EVERY_SECONDS": "0.05",
            "SPANLEDGER_FORWARD__BATCH_ENTRIES": "3",
        }
        with server(data, env=env) as running:
            target.after_taking = 1
            assert post(running.http, as_protobuf(*(chat(n, n) for n in range(1, 11)))) == 200
            _wait(lambda: len(arrived(target)) >= 3)
            running.kill()
        with server(data, env=env) as running:
            assert post(running.http, as_protobuf(*(chat(n, n) for n in range(5, 16)))) == 200
            _wait(lambda: len(arrived(target)) == 15)
            _wait(lambda: "spanledger_forward_lag_entries 0\n" in _metrics_of(running.http))
            assert "spanledger_forward_entries_total 15\n" in _metrics_of(running.http)
            assert running.stop() == 0
        assert arrived(target) == all_entries(data)
        assert told_costs(target) == {"acme": 0.00315}  # 15 * 0.00021


def _wait(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _metrics_of(endpoint: str) -> str:
    with urllib.request.urlopen(f"http://{endpoint}/metrics", timeout=10) as answer:
        return str(answer.read(), "utf-8")
