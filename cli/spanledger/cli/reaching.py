"""Reaches the server that keeps a data folder: at the address it wrote there, known by its own certificate."""

from __future__ import annotations

import http.client
import ssl
from pathlib import Path
from typing import NamedTuple

from spanledger.cli.errors import UserError
from spanledger.cli.folder import ServerInfo


class Credentials(NamedTuple):
    """What the server may want to see: an API key, and a client certificate with its key (paths of PEM files)."""

    key: str | None = None
    certificate: Path | None = None
    private_key: Path | None = None


def sendable(secret: str, name: str) -> str:
    """A secret for a header, without blanks around it. UserError where no header can hold it: the library's own error would quote it."""
    found = secret.strip()
    if not (found.isascii() and found.isprintable()):
        raise UserError(f"{name} has a character that no key has: a line break, a blank of another kind or a letter with an accent")
    return found


def connection_to(server: ServerInfo, shown: Credentials, *, timeout_seconds: float = 60) -> http.client.HTTPConnection:
    """A connection to the HTTP port of the server that keeps a folder. UserError: it has none, or files are no certificates."""
    if server.http is None:
        raise UserError("the server that keeps this folder takes no OTLP/HTTP: stop it, or turn HTTP on, and run the command again")
    if server.certificate is None:
        return http.client.HTTPConnection(server.http, timeout=timeout_seconds)
    # Its own certificate is what we trust, by no name: the address is the one the server gave itself, on this machine.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(server.certificate)
        if shown.certificate is not None:
            context.load_cert_chain(shown.certificate, shown.private_key)
    except (OSError, ssl.SSLError) as error:
        raise UserError(f"the certificates for the server that keeps this folder cannot be used: {error}") from error
    return http.client.HTTPSConnection(server.http, timeout=timeout_seconds, context=context)
