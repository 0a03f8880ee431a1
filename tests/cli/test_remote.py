"""`ingest` beside a server that encrypts: the files go to it, and it is known by its own certificate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spanledger.cli.errors import UserError
from spanledger.cli.reaching import sendable
from tests.cli.otlp import as_protobuf, chat
from tests.cli.runner import Server, events, server, spanledger
from tests.receiver.test_tls import Pki


def serve_with_tls(tmp_path: Path, pki: Pki, *, mutual: bool) -> Path:
    """A configuration file."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in pki.config(mutual=mutual).items()]
    path = tmp_path / "spanledger.toml"
    path.write_text("\n".join(["[receiver.tls]", *lines]) + "\n")
    return path


def ingest_beside(running: Server, tmp_path: Path, *options: object) -> tuple[int, str]:
    path = tmp_path / "a.pb"
    path.write_bytes(as_protobuf(chat(1, 1)))
    answer = spanledger("ingest", "--data", running.folder.path, path, *options)
    return answer.code, answer.err


def test_it_sends_over_tls(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    with server(tmp_path / "data", "--config", str(serve_with_tls(tmp_path, pki, mutual=False))) as running:
        assert ingest_beside(running, tmp_path)[0] == 0
        assert len(events(tmp_path / "data")) == 1


def test_it_shows_the_client_certificate_it_was_given(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    with server(tmp_path / "data", "--config", str(serve_with_tls(tmp_path, pki, mutual=True))) as running:
        code, said = ingest_beside(running, tmp_path)
        assert code == 1
        assert "give one with --client-certificate and --client-key" in said
        shown = ("--client-certificate", pki.client_certificate, "--client-key", pki.client_key)
        assert ingest_beside(running, tmp_path, *shown)[0] == 0
        assert len(events(tmp_path / "data")) == 1


def test_another_server_at_the_address_is_not_trusted(tmp_path: Path) -> None:
    pki, other = Pki(tmp_path), Pki(tmp_path, "other")
    with server(tmp_path / "data", "--config", str(serve_with_tls(tmp_path, pki, mutual=False))) as running:
        running.folder.announce(running.info._replace(certificate=str(other.certificate)))
        code, said = ingest_beside(running, tmp_path)
        assert code == 1
        assert "TLS with the server that keeps this folder failed" in said
        assert events(tmp_path / "data") == []


def test_files_that_are_no_certificate_are_one_line(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    with server(tmp_path / "data", "--config", str(serve_with_tls(tmp_path, pki, mutual=True))) as running:
        code, said = ingest_beside(running, tmp_path, "--client-certificate", junk)
        assert code == 1
        assert said.splitlines()[-1].startswith("spanledger: the certificates for the server that keeps this folder cannot be used")


@pytest.mark.parametrize("key", ["sl_s3cret\nx", "sl_s3cret\u5bc6", "sl_s3cret\x00"])
def test_a_key_that_no_header_can_hold_is_not_quoted(key: str) -> None:
    with pytest.raises(UserError, match="--key has a character that no key has") as refused:
        sendable(key, "--key")
    assert "s3cret" not in str(refused.value)
    assert sendable(" sl_fine\n", "--key") == "sl_fine"
