"""Hands stored requests to the server that keeps the folder, over OTLP/HTTP, and waits until it has settled them."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from spanledger.cli.errors import UserError, complain
from spanledger.cli.feed import BadInput, Request
from spanledger.cli.folder import DataFolder, ServerInfo
from spanledger.cli.reaching import Credentials, connection_to, sendable
from spanledger.cli.render import visible
from spanledger.receiver.durable import DurableView
from spanledger.store.ledger import Ledger

if TYPE_CHECKING:
    from spanledger.cli.ingesting import Summary

_TYPES = {"protobuf": "application/x-protobuf", "json": "application/json"}
_RETRYABLE = {429, 502, 503, 504}
_ATTEMPTS_MAX = 30
_SETTLE_SECONDS_MAX = 300.0


def send_to_server(folder: DataFolder, server: ServerInfo, requests: Iterator[Request | BadInput], shown: Credentials) -> Summary:
    """Send every request; UserError if the server will not have us. Figures of entries are the ledger's growth meanwhile."""
    from spanledger.cli.ingesting import Summary

    before = _entries_total(folder)
    sent = bad = 0
    connection = connection_to(server, shown)
    try:
        for request in requests:
            problem = str(request) if isinstance(request, BadInput) else _send(connection, request, shown.key)
            if problem is None:
                sent += 1
            else:
                bad += 1
                complain(visible(problem))
    finally:
        connection.close()
    _wait_until_settled(folder)
    return Summary(requests=sent, spans=None, entries=_entries_total(folder) - before, bad=bad)


def _send(connection: http.client.HTTPConnection, request: Request, key: str | None) -> str | None:
    """Send one request, again while the server says that it may be; None, or why it was refused for good."""
    bearer = {"authorization": f"Bearer {sendable(key, '--key or SPANLEDGER_KEY')}"} if key else {}
    headers = {"content-type": _TYPES[request.encoding]} | bearer
    for _ in range(_ATTEMPTS_MAX):
        try:
            connection.request("POST", "/v1/traces", request.body, headers)
            answer = connection.getresponse()
            body = answer.read()
        except ssl.SSLError as error:
            raise UserError(
                f"TLS with the server that keeps this folder failed ({error.reason or error}): if it wants a client certificate, "
                "give one with --client-certificate and --client-key"
            ) from error
        except (http.client.HTTPException, ConnectionError, TimeoutError):
            connection.close()
            time.sleep(0.5)
            continue
        if answer.status == 200:
            return None
        if answer.status in (401, 403):
            raise UserError("the server that keeps this folder wants an API key: give one with --key or SPANLEDGER_KEY")
        if answer.status not in _RETRYABLE:
            return f"{request.where}: refused with HTTP {answer.status}: {body[:200].decode('utf-8', 'replace')}"
        time.sleep(min(float(answer.headers.get("retry-after") or 1), 10.0))
    raise UserError("the server that keeps this folder does not answer; what was sent before is safe, run the command again")


def _entries_total(folder: DataFolder) -> int:
    with Ledger.open(folder.path, read_only=True) as ledger:
        return ledger.entries_total


def _wait_until_settled(folder: DataFolder) -> None:
    """Until all that the journal holds now is settled in the ledger: traces without a root take as long as the server waits for one."""
    with DurableView(folder.journal) as view:
        target = view.position
    deadline = time.monotonic() + _SETTLE_SECONDS_MAX
    while time.monotonic() < deadline:
        with Ledger.open(folder.path, read_only=True) as ledger:
            if ledger.position >= target and ledger.open_position >= target:
                return
        time.sleep(0.1)
    raise UserError("the server has taken everything but is still settling it; look again later")
