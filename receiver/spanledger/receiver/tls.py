"""TLS for both ports from one pair of files, and client certificates where a CA for them is named (mTLS).

Certificates are renewed while a server runs: the files are looked at again now and then, and a new pair that fits together is used
for new connections. One that does not is reported, and the old pair stays. A client CA that is taken out of its file is trusted over
HTTP until a restart: OpenSSL can add to what a running server trusts, and not take away.
"""

from __future__ import annotations

import logging
import ssl
import threading
from pathlib import Path
from typing import Any

import grpc

from spanledger.receiver.config import TlsConfig

RELOAD_SECONDS = 5.0
_log = logging.getLogger(__name__)


class TlsFilesError(Exception):
    """The certificate, its key or the client CA cannot be used; the message names the file."""


class TlsFiles:
    """The files of a TLS configuration, checked when they are first read and when they change."""

    def __init__(self, config: TlsConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._seen = self._signature()
        self._tried = self._seen
        self.context = self._context()
        """For the HTTP side; `refresh` puts renewed certificates into it."""

    def grpc_credentials(self) -> Any:
        """Server credentials that take a renewed pair at the next handshake."""
        first = self._grpc_pair()
        if self._config.client_ca is None:
            return grpc.dynamic_ssl_server_credentials(first, self._renewed_for_grpc(self._seen))
        return grpc.dynamic_ssl_server_credentials(first, self._renewed_for_grpc(self._seen), require_client_authentication=True)

    def refresh(self) -> bool:
        """Take up changed files; True if there were any and they are good."""
        with self._lock:
            signature = self._signature()
            if signature in (self._seen, self._tried):
                return False
            self._tried = signature
            try:
                self._context()  # the live one must not be left with half a pair
                self._load_into(self.context)
            except TlsFilesError as error:
                _log.error("the renewed certificate is not used, the old one stays: %s", error)
                return False
            self._seen = signature
            _log.info("a renewed certificate is in use")
            return True

    def _renewed_for_grpc(self, given: tuple[tuple[int, int], ...]) -> Any:
        """What gRPC asks at every handshake: the new pair, or None for no change."""
        last = given

        def fetch() -> Any:
            nonlocal last
            self.refresh()
            if self._seen == last:
                return None
            last = self._seen
            return self._grpc_pair()

        return fetch

    def _grpc_pair(self) -> Any:
        config = self._config
        pair = [(_read(config.private_key), _read(config.certificate))]
        return grpc.ssl_server_certificate_configuration(pair, None if config.client_ca is None else _read(config.client_ca))

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._load_into(context)
        return context

    def _load_into(self, context: ssl.SSLContext) -> None:
        config = self._config
        for path in (config.certificate, config.private_key, *((config.client_ca,) if config.client_ca else ())):
            _read(path)
        try:
            context.load_cert_chain(config.certificate, config.private_key, password=_no_password)
        except (ssl.SSLError, ValueError) as error:
            raise TlsFilesError(f"{config.certificate} and {config.private_key} are not a certificate and its key in PEM") from error
        if config.client_ca is not None:
            try:
                context.load_verify_locations(config.client_ca)
            except ssl.SSLError as error:
                raise TlsFilesError(f"{config.client_ca} holds no CA certificate in PEM") from error
            context.verify_mode = ssl.CERT_REQUIRED

    def _signature(self) -> tuple[tuple[int, int], ...]:
        """What tells a renewed file from the one that was read; a file that is away just now looks changed."""
        config, found = self._config, []
        for path in (config.certificate, config.private_key, config.client_ca):
            try:
                stat = Path(path).stat() if path is not None else None
            except OSError:
                stat = None
            found.append((0, 0) if stat is None else (stat.st_mtime_ns, stat.st_ino))
        return tuple(found)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise TlsFilesError(f"cannot read {path}: {error.strerror}") from error


def _no_password() -> str:
    """Asked for an encrypted key, which would otherwise stop the server at a prompt."""
    raise ValueError("the private key is encrypted")
