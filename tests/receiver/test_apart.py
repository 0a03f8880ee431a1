"""Large requests in a process of their own: the same result as here, bounds that hold, and a process that may die."""

from __future__ import annotations

import gzip
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanledger.receiver.admission import Refused
from spanledger.receiver.apart import WAITING_MAX, Apart
from spanledger.receiver.errors import MalformedRequest, TooLarge
from spanledger.receiver.otlp_json import to_protobuf
from spanledger.receiver.prune import Pruner
from tests.receiver.samples import KEPT, SECRET, attribute, make_request, make_span, running, spans_of
from tests.receiver.wire import TRANSPORTS, send, to_json

MIB = 1 << 20
PRUNER = Pruner(KEPT, SECRET)


@pytest.fixture
def apart() -> Iterator[Apart]:
    found = Apart(PRUNER.recipe, bytes_max=64 * MIB, memory_bytes=512 * MIB)
    try:
        yield found
    finally:
        found.close()


def large_request(count: int = 5000) -> bytes:
    request = make_request(
        *(make_span("chat gpt-4o", {"gen_ai.request.model": "gpt-4o", "text": f"hello {n}"}, number=n) for n in range(count))
    )
    request.resource_spans[0].scope_spans[0].spans[0].trace_id = b""
    return request.SerializeToString()


def test_what_is_read_apart_is_what_is_read_here(apart: Apart) -> None:
    body = large_request()
    here = PRUNER.examine(body)
    as_json = to_json(make_request(make_span("chat gpt-4o", {"text": "hello"})))
    assert apart.examine(body, is_json=False, is_gzip=False) == (here, len(body))
    assert apart.examine(gzip.compress(body), is_json=False, is_gzip=True) == (here, len(body))
    assert apart.examine(as_json, is_json=True, is_gzip=False) == (PRUNER.examine(to_protobuf(as_json)), len(as_json))


def test_what_is_wrong_is_said_as_here_and_the_process_goes_on(apart: Apart) -> None:
    apart.examine(b"", is_json=False, is_gzip=False)
    first = apart.pid
    with pytest.raises(MalformedRequest, match="not a serialized"):
        apart.examine(b"\xff", is_json=False, is_gzip=False)
    with pytest.raises(MalformedRequest, match="not JSON"):
        apart.examine(b"[" * MIB, is_json=True, is_gzip=False)
    with pytest.raises(TooLarge, match="200 times its size"):
        apart.examine(gzip.compress(bytes(32 * MIB)), is_json=False, is_gzip=True)
    assert apart.pid == first


@pytest.mark.parametrize("piece", [b"[]", b"1e5", b'{"a":0}'])
def test_a_body_that_becomes_huge_in_memory_is_refused_for_good(apart: Apart, piece: bytes) -> None:
    body = b'{"x":[' + b",".join([piece] * (50 * MIB // (len(piece) + 1))) + b"]}"
    with pytest.raises((TooLarge, Refused)) as caught:
        apart.examine(body, is_json=True, is_gzip=False)
    assert not isinstance(caught.value, Refused) or not caught.value.refusal.is_retryable
    assert apart.examine(b"{}", is_json=True, is_gzip=False)[0].spans == 0


def test_a_process_that_is_killed_costs_nobody_data(apart: Apart) -> None:
    apart.examine(b"", is_json=False, is_gzip=False)
    assert apart.pid is not None
    os.kill(apart.pid, signal.SIGSTOP)
    killing = threading.Timer(0.2, os.kill, (apart.pid, signal.SIGKILL))
    killing.start()
    with pytest.raises(Refused) as caught:
        apart.examine(large_request(), is_json=False, is_gzip=False)
    assert caught.value.refusal.is_retryable
    assert apart.examine(large_request(), is_json=False, is_gzip=False)[0].spans == 5000


def test_a_request_that_takes_too_long_is_refused_for_good() -> None:
    apart = Apart(PRUNER.recipe, bytes_max=64 * MIB, memory_bytes=512 * MIB, seconds=1.0)
    apart.examine(b"", is_json=False, is_gzip=False)
    assert apart.pid is not None
    os.kill(apart.pid, signal.SIGSTOP)
    with pytest.raises(Refused) as caught:
        apart.examine(b"", is_json=False, is_gzip=False)
    assert not caught.value.refusal.is_retryable
    apart.close()


def test_only_so_many_may_wait(apart: Apart) -> None:
    apart.examine(b"", is_json=False, is_gzip=False)
    assert apart.pid is not None
    os.kill(apart.pid, signal.SIGSTOP)
    threads = [threading.Thread(target=apart.examine, args=(b"",), kwargs={"is_json": False, "is_gzip": False}) for _ in range(WAITING_MAX)]
    for thread in threads:
        thread.start()
    while apart._waiting < WAITING_MAX:
        time.sleep(0.01)
    with pytest.raises(Refused) as caught:
        apart.examine(b"", is_json=False, is_gzip=False)
    assert caught.value.refusal.is_retryable
    os.kill(apart.pid, signal.SIGCONT)
    for thread in threads:
        thread.join(20)
    assert apart._waiting == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
def test_large_requests_are_stored_like_others_over_every_transport(tmp_path: Path, transport: str, zipped: bool) -> None:
    request = make_request(*(make_span("chat gpt-4o", number=number) for number in range(300)))
    for span in request.resource_spans[0].scope_spans[0].spans:
        attribute(span, "text", os.urandom(500).hex())
    with running(tmp_path, large_request_kib=64) as server:
        assert send(server, transport, request, gzip=zipped).is_full_success
        assert server.receiver.metrics.count("large_requests_total") == 1
        assert len(server.spans()) == 300
        assert spans_of(PRUNER.prune(request.SerializeToString())) == server.spans()


def test_many_spans_in_few_bytes_are_read_apart(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        assert send(server, "http", make_request(*(make_span("c", number=number) for number in range(4097)))).is_full_success
        assert server.receiver.metrics.count("large_requests_total") == 1
        assert len(server.spans()) == 4097
