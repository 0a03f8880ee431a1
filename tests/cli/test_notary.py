"""Checkpoints leave the folder: to a file, a folder, a URL, and by themselves beside a server's worker."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from spanledger.cli.errors import UserError
from spanledger.cli.notary import Notary, deliver, sign_checkpoint
from spanledger.store.checkpoints import read_note
from spanledger.store.config import ProofConfig
from spanledger.store.errors import ChainError
from spanledger.store.ledger import Ledger
from spanledger.store.verify import verify
from tests.store.samples import NOON, event


@pytest.fixture
def data(tmp_path: Path) -> Path:
    book(tmp_path / "data", 1)
    return tmp_path / "data"


def book(data: Path, number: int) -> None:
    with Ledger.open(data) as ledger:
        ledger.commit([event(number)], [], position=number, open_position=0, booked_ns=NOON)


@contextmanager
def listener(status: int = 200) -> Iterator[tuple[str, list[str]]]:
    """A server on this machine that takes what is posted."""
    got: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_told: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_it_is_kept_and_brought_where_it_was_asked_for(data: Path, tmp_path: Path) -> None:
    signed = sign_checkpoint(data, None, NOON)
    (tmp_path / "safe").mkdir()
    deliver(signed, str(tmp_path / "one.txt"))
    deliver(signed, str(tmp_path / "safe"))
    with listener() as (url, got):
        assert deliver(signed, url) == url
    copies = [signed.path, tmp_path / "one.txt", tmp_path / "safe" / "000000000002.txt"]
    assert [read_note(path.read_text(), signed.verifier_key).size for path in copies] == [2, 2, 2]
    assert got == [signed.note]


@pytest.mark.parametrize("url", ["http://example.com/", "ftp://127.0.0.1/", "file:///etc/x"])
def test_it_is_not_sent_in_the_clear(data: Path, url: str) -> None:
    with pytest.raises(UserError, match="https"):
        deliver(sign_checkpoint(data, None, NOON), url)


@pytest.mark.parametrize("status", [302, 500])
def test_a_receiver_that_does_not_take_it_is_an_error(data: Path, status: int) -> None:
    with listener(status) as (url, got), pytest.raises(UserError, match="could not be posted"):
        deliver(sign_checkpoint(data, None, NOON), url)
    assert len(got) == 1


def test_nothing_is_signed_that_contradicts_what_was_signed_before(data: Path) -> None:
    sign_checkpoint(data, None, NOON)
    book(data, 2)
    path = data / "chain/000000000000.chain"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"seq":1', b'"seq":7'))
    with pytest.raises(ChainError, match="spanledger verify"):
        sign_checkpoint(data, None, NOON)
    path.write_bytes(whole)
    assert sign_checkpoint(data, None, NOON).size == 3
    assert verify(data).checkpoints == 2


def test_a_server_signs_now_and_then_and_once_for_each_state(data: Path, tmp_path: Path) -> None:
    notary = Notary(data, ProofConfig(checkpoint_every_seconds=0.02, checkpoint_file=str(tmp_path / "out.txt")))
    notary.start()
    deadline = time.monotonic() + 20
    while not (tmp_path / "out.txt").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.1)
    notary.stop()
    assert read_note((tmp_path / "out.txt").read_text()).size == 2
    assert len([*(data / "checkpoints").iterdir()]) == 1


def test_it_can_be_turned_off(data: Path) -> None:
    notary = Notary(data, ProofConfig(checkpoint_every_seconds=0))
    notary.start()
    notary.stop()
    assert not (data / "checkpoints").exists()
