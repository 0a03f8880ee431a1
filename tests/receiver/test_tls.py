"""TLS and mTLS on both ports under real exporters, with certificates made on the spot; renewals take effect while it runs."""

from __future__ import annotations

import http.client
import ssl
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from pydantic import ValidationError

from spanledger.receiver.config import ReceiverConfig, TlsConfig
from spanledger.receiver.tls import TlsFiles, TlsFilesError
from tests.receiver.samples import Running, make_request, running
from tests.receiver.wire import EXPORT


class Pki:
    """A CA with a server's and a client's certificate, as files."""

    def __init__(self, folder: Path, name: str = "pki") -> None:
        self.folder = folder / name
        self.folder.mkdir()
        self.ca = trustme.CA()
        self.ca_file = self._write("ca.pem", self.ca.cert_pem.bytes())
        self.certificate, self.private_key = self.folder / "server.pem", self.folder / "server.key"
        self.renew()
        client = self.ca.issue_cert("client@example.org")
        self.client_certificate = self._write("client.pem", client.cert_chain_pems[0].bytes())
        self.client_key = self._write("client.key", client.private_key_pem.bytes())

    def _write(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def renew(self, issuer: trustme.CA | None = None) -> None:
        issued = (issuer or self.ca).issue_cert("127.0.0.1", "localhost")
        self._write("server.pem", issued.cert_chain_pems[0].bytes())
        self._write("server.key", issued.private_key_pem.bytes())

    def config(self, *, mutual: bool = False) -> dict[str, Any]:
        tls = {"certificate": str(self.certificate), "private_key": str(self.private_key)}
        return tls | ({"client_ca": str(self.ca_file)} if mutual else {})


@pytest.fixture(autouse=True)
def _no_bundle_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # requests would prefer them to the exporter's own file
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


def grpc_exporter(server: Running, pki: Pki, *, client: Pki | None = None) -> GrpcExporter:
    shown = (client.client_key.read_bytes(), client.client_certificate.read_bytes()) if client else (None, None)
    credentials = grpc.ssl_channel_credentials(pki.ca_file.read_bytes(), *shown)
    return GrpcExporter(f"https://{server.grpc}", credentials=credentials, timeout=2)


def http_exporter(server: Running, pki: Pki, *, client: Pki | None = None) -> HttpExporter:
    host, port = server.http
    return HttpExporter(
        f"https://{host}:{port}/v1/traces",
        certificate_file=str(pki.ca_file),
        client_certificate_file=str(client.client_certificate) if client else None,
        client_key_file=str(client.client_key) if client else None,
        timeout=2,
    )


EXPORTERS: dict[str, Callable[..., Any]] = {"grpc": grpc_exporter, "http": http_exporter}


def sends(exporter: Any) -> None:
    """One span through an SDK, as an application would."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("test.scope").start_as_current_span("chat gpt-4o"):
        pass
    provider.shutdown()


def call_grpc(server: Running, credentials: grpc.ChannelCredentials | None) -> str:
    target = server.grpc
    channel = grpc.insecure_channel(target) if credentials is None else grpc.secure_channel(target, credentials)
    with channel:
        try:
            channel.unary_unary(EXPORT)(make_request().SerializeToString(), timeout=2)
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK"


def call_http(server: Running, context: ssl.SSLContext | None) -> int:
    """The status of a request; raises what the connection raises."""
    if context is None:
        connection = http.client.HTTPConnection(*server.http, timeout=2)
    else:
        connection = http.client.HTTPSConnection(*server.http, timeout=2, context=context)
    try:
        connection.request("POST", "/v1/traces", make_request().SerializeToString(), {"Content-Type": "application/x-protobuf"})
        return connection.getresponse().status
    finally:
        connection.close()


def trusting(pki: Pki, client: Pki | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(pki.ca_file))
    if client is not None:
        context.load_cert_chain(client.client_certificate, client.client_key)
    return context


@pytest.mark.parametrize("transport", EXPORTERS)
def test_an_exporter_that_trusts_the_ca_is_heard(tmp_path: Path, pki: Pki, transport: str) -> None:
    with running(tmp_path, tls=pki.config()) as server:
        sends(EXPORTERS[transport](server, pki))
        assert len(server.spans()) == 1


def test_nothing_is_taken_in_clear_text(tmp_path: Path, pki: Pki) -> None:
    with running(tmp_path, tls=pki.config()) as server:
        assert call_grpc(server, None) == "UNAVAILABLE"
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            call_http(server, None)
        assert server.spans() == []


def test_versions_of_tls_before_1_2_are_refused(tmp_path: Path, pki: Pki) -> None:
    context = trusting(pki)
    context.set_ciphers("DEFAULT@SECLEVEL=0")  # else our own side would not even try
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that these are old is the point
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with running(tmp_path, tls=pki.config()) as server:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            call_http(server, context)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        assert call_http(server, context) == 200


@pytest.mark.parametrize("transport", EXPORTERS)
def test_a_client_of_the_named_ca_is_let_in(tmp_path: Path, pki: Pki, transport: str) -> None:
    with running(tmp_path, tls=pki.config(mutual=True)) as server:
        sends(EXPORTERS[transport](server, pki, client=pki))
        assert len(server.spans()) == 1


@pytest.mark.parametrize("who", ["nobody", "a client of another CA"])
def test_others_are_not(tmp_path: Path, pki: Pki, who: str) -> None:
    stranger = Pki(tmp_path, "elsewhere") if who != "nobody" else None
    shown = (stranger.client_key.read_bytes(), stranger.client_certificate.read_bytes()) if stranger else (None, None)
    with running(tmp_path, tls=pki.config(mutual=True)) as server:
        assert call_grpc(server, grpc.ssl_channel_credentials(pki.ca_file.read_bytes(), *shown)) == "UNAVAILABLE"
        with pytest.raises((ssl.SSLError, ConnectionError)):
            call_http(server, trusting(pki, stranger))
        assert server.spans() == []
        assert call_http(server, trusting(pki, pki)) == 200  # the server is none the worse for it


def test_a_renewed_certificate_is_used_without_a_restart(tmp_path: Path, pki: Pki) -> None:
    other = Pki(tmp_path, "renewed")
    with running(tmp_path, tls=pki.config()) as server:
        assert call_http(server, trusting(pki)) == 200
        pki.renew(other.ca)
        assert call_grpc(server, grpc.ssl_channel_credentials(other.ca_file.read_bytes())) == "OK"  # asks at every handshake
        assert call_http(server, trusting(other)) == 200  # and what it found serves both ports
        with pytest.raises(ssl.SSLError):
            call_http(server, trusting(pki))


def test_a_broken_renewal_is_reported_and_the_old_pair_stays(pki: Pki, caplog: pytest.LogCaptureFixture) -> None:
    files = TlsFiles(TlsConfig(**pki.config()))
    pki.certificate.write_bytes(pki.client_certificate.read_bytes())  # not the certificate of server.key
    assert not files.refresh()
    assert "not used, the old one stays" in caplog.text
    assert not files.refresh()
    assert caplog.text.count("the old one stays") == 1  # said once
    pki.renew()
    assert files.refresh()


SPOILERS: dict[str, tuple[Callable[[Pki], object], str]] = {
    "no certificate": (lambda pki: pki.certificate.unlink(), "cannot read .*server.pem: No such file"),
    "no key": (lambda pki: pki.private_key.unlink(), "cannot read .*server.key: No such file"),
    "another's key": (lambda pki: pki.private_key.write_bytes(pki.client_key.read_bytes()), "are not a certificate and its key"),
    "junk": (lambda pki: pki.certificate.write_text("junk"), "are not a certificate and its key"),
    "junk for a CA": (lambda pki: pki.ca_file.write_text("junk"), "ca.pem holds no CA certificate"),
}


@pytest.mark.parametrize("spoiler", SPOILERS)
def test_files_that_cannot_be_used_are_named_at_start(pki: Pki, spoiler: str) -> None:
    spoil, message = SPOILERS[spoiler]
    spoil(pki)
    with pytest.raises(TlsFilesError, match=message):
        TlsFiles(TlsConfig(**pki.config(mutual=True)))


def test_a_certificate_without_its_key_is_no_configuration() -> None:
    with pytest.raises(ValidationError, match="private_key"):
        ReceiverConfig.model_validate({"tls": {"certificate": "server.pem"}})
