"""`health`: green while the server of a folder takes requests, red with a reason otherwise."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.cli.runner import server, spanledger
from tests.cli.test_remote import serve_with_tls
from tests.receiver.test_tls import Pki


def test_it_follows_the_server(tmp_path: Path) -> None:
    data = tmp_path / "data"
    answer = spanledger("health", "--data", data)
    assert (answer.code, answer.out) == (1, "")
    assert "no server keeps" in answer.err
    with server(data) as running:
        for option, said in (("--live", "alive"), (None, "ready")):
            answer = spanledger("health", "--data", data, *([option] if option else []))
            assert (answer.code, answer.out) == (0, f"{said} at {running.http}\n")
        running.kill()
    assert spanledger("health", "--data", data).code == 1


def test_a_server_that_hangs_is_not_healthy(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with server(data) as running:
        os.kill(running.process.pid, signal.SIGSTOP)
        try:
            answer = spanledger("health", "--data", data, "--live")
        finally:
            os.kill(running.process.pid, signal.SIGCONT)
        assert answer.code == 1
        assert "does not answer" in answer.err
        assert spanledger("health", "--data", data).code == 0


def test_it_needs_no_api_key(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert spanledger("keys", "create", "--data", data).code == 0
    with server(data):
        assert spanledger("health", "--data", data).code == 0


def test_it_knows_the_server_by_its_certificate(tmp_path: Path) -> None:
    pki, other, data = Pki(tmp_path), Pki(tmp_path, "other"), tmp_path / "data"
    with server(data, "--config", str(serve_with_tls(tmp_path, pki, mutual=True))) as running:
        answer = spanledger("health", "--data", data)
        assert answer.code == 1
        assert "--client-certificate" in answer.err
        shown = ("--client-certificate", pki.client_certificate, "--client-key", pki.client_key)
        assert spanledger("health", "--data", data, *shown).code == 0
        running.folder.announce(running.info._replace(certificate=str(other.certificate)))
        assert spanledger("health", "--data", data, *shown).code == 1


def test_a_server_without_http_is_one_line(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with server(data) as running:
        running.folder.announce(running.info._replace(http=None))
        answer = spanledger("health", "--data", data)
        assert answer.code == 1
        assert answer.err.count("\n") == 1
