"""Whether the server that keeps a folder takes requests, for whatever watches over it: a container's health check, a script."""

from __future__ import annotations

import http.client
from pathlib import Path

from spanledger.cli.errors import UserError
from spanledger.cli.folder import DataFolder
from spanledger.cli.reaching import Credentials, connection_to

TIMEOUT_SECONDS = 5.0


class Unhealthy(UserError):  # noqa: N818 - it is what the user is told
    """No server keeps the folder, or it does not take requests."""


def check_health(data: Path, shown: Credentials, *, live: bool) -> str:
    """Where the server listens, if it is ready (`live`: if it answers at all). Raises Unhealthy."""
    server = DataFolder(data).server()
    if server is None:
        raise Unhealthy(f"no server keeps {data}: start one with `spanledger serve`, or name its folder with --data")
    connection = connection_to(server, shown, timeout_seconds=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/healthz" if live else "/readyz")
        answer = connection.getresponse()
        answer.read()
    except (http.client.HTTPException, OSError) as error:  # a server that wants a certificate may just close the connection
        hint = "; if it wants a client certificate, give one with --client-certificate and --client-key" if server.certificate else ""
        raise Unhealthy(f"the server at {server.http} (pid {server.pid}) does not answer: look at its log{hint}") from error
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise Unhealthy(f"the server at {server.http} takes no requests at the moment (HTTP {answer.status}): look at its log")
    return str(server.http)
