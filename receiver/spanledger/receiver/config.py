"""The receiver's settings: a typed record with defaults that are safe on a laptop, checked before anything listens."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from spanledger.receiver.bounds import Bounds

_MIB = 1 << 20
_GIB = 1 << 30


class Address(NamedTuple):
    """Where to listen; port 0 takes any free one."""

    host: str
    port: int

    @property
    def text(self) -> str:
        """As it is written in the configuration."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback_host(self.host)


def is_loopback_host(host: str) -> bool:
    """Whether a host name or IP literal stands for this machine alone; no name is looked up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_address(text: str) -> Address:
    """`host:port` or `[v6]:port`; raises ValueError with a sentence."""
    host, colon, port = text.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"{text!r} is not host:port, as in 127.0.0.1:4317")
    return Address(host, int(port))


def _check_address(text: str) -> str:
    parse_address(text)
    return text


AddressText = Annotated[str, AfterValidator(_check_address)]


class BoundsConfig(BaseModel):
    """How much of one request is read. What exceeds a bound is dropped, counted and reported; the rest is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scopes_max: int = Field(default=Bounds().scopes, ge=1, description="Resources and scopes in a request.")
    spans_max: int = Field(default=Bounds().spans, ge=1, description="Spans in a request.")
    attributes_max: int = Field(default=Bounds().attributes, ge=1, description="Attributes of a span, event, link, resource or scope.")
    events_max: int = Field(default=Bounds().events, ge=0, description="Events of a span.")
    links_max: int = Field(default=Bounds().links, ge=0, description="Links of a span.")
    depth_max: int = Field(default=Bounds().depth, ge=1, le=24, description="Nesting of attribute values.")

    def bounds(self) -> Bounds:
        """As the pruner takes them."""
        return Bounds(self.scopes_max, self.spans_max, self.attributes_max, self.events_max, self.links_max, self.depth_max)


class JournalConfig(BaseModel):
    """The journal's files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    segment_mib: int = Field(default=64, ge=1, le=4096, description="A new segment file starts at this size.")
    retention_days: int = Field(
        default=400,
        ge=0,
        description="How long committed requests are kept, packed in the archive, for `replay` and `verify --deep`; 0 keeps none.",
    )
    archive_gib: float = Field(
        default=100, ge=0, description="Room for the archive; beyond it the oldest requests go before their time. 0 sets no limit."
    )
    archive_duty: float = Field(default=0.2, gt=0, le=1, description="The share of one processor that packing may take.")

    @property
    def segment_bytes(self) -> int:
        """The size at which a new segment starts."""
        return self.segment_mib * _MIB

    @property
    def retention_seconds(self) -> int:
        """How long committed requests are kept."""
        return self.retention_days * 86_400

    @property
    def archive_bytes_max(self) -> int | None:
        """Room for the archive; None for no limit."""
        return int(self.archive_gib * _GIB) or None


class TlsConfig(BaseModel):
    """TLS on both ports. The files may be renewed while the server runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    certificate: str = Field(min_length=1, description="PEM file with the server's certificate and its chain.")
    private_key: str = Field(min_length=1, description="PEM file with its private key, not encrypted.")
    client_ca: str | None = Field(
        default=None, description="PEM file with the CA of client certificates; clients must then show one (mTLS)."
    )


class ReceiverConfig(BaseModel):
    """Everything about receiving."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    grpc: AddressText | None = Field(default="127.0.0.1:4317", description="OTLP/gRPC; null turns it off.")
    http: AddressText | None = Field(default="127.0.0.1:4318", description="OTLP/HTTP, health and metrics; null turns it off.")
    content: Literal["prune", "keep"] = Field(default="prune", description="`keep` stores prompts and answers as they were sent.")
    max_request_mib: int = Field(default=64, ge=1, le=512, description="A request's size, after inflation too.")
    max_in_flight_mib: int = Field(default=128, ge=1, description="Bodies held at once; more is answered with overload.")
    max_inflation: int = Field(default=200, ge=2, description="How many times its size a compressed body beyond 1 MiB may become.")
    large_request_kib: int = Field(
        default=2048,
        ge=64,
        description="Larger requests (JSON: a quarter of it), and others that take long, are read in a process apart, one at a time.",
    )
    large_memory_mib: int = Field(
        default=512, ge=128, description="Memory of that process; a request that takes more is refused as too large."
    )
    max_waiting_requests: int = Field(default=512, ge=1, description="gRPC calls waiting for a thread; more is answered with overload.")
    grpc_threads: int = Field(default=128, ge=1, le=512, description="gRPC calls handled at once.")
    http_threads: int = Field(default=4, ge=1, le=128, description="Small HTTP bodies inflated and pruned at once.")
    body_timeout_seconds: float = Field(default=30, gt=0, description="A request's body must have arrived within this time.")
    idle_timeout_seconds: float = Field(default=75, gt=0, description="An HTTP connection without a whole request head is closed.")
    ack_timeout_seconds: float = Field(default=30, gt=0, description="A sender is told to retry when the disk takes longer.")
    retry_after_seconds: int = Field(default=5, ge=1, le=30, description="What a sender is told to wait after overload or disk trouble.")
    key_cache_seconds: float = Field(default=5, ge=0, le=5, description="A revoked key is refused within this time.")
    bounds: BoundsConfig = BoundsConfig()
    journal: JournalConfig = JournalConfig()
    tls: TlsConfig | None = Field(default=None, description="Certificate and key for both ports; without it nothing is encrypted.")

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if self.grpc is None and self.http is None:
            raise ValueError("grpc and http are both off: nothing would listen")
        if self.max_in_flight_mib < 2 * self.max_request_mib:
            raise ValueError(f"max_in_flight_mib must be at least twice max_request_mib, {2 * self.max_request_mib}")
        return self

    @property
    def request_bytes_max(self) -> int:
        """The largest request, in bytes."""
        return self.max_request_mib * _MIB

    @property
    def large_bytes(self) -> int:
        """The size above which a request is read apart."""
        return self.large_request_kib << 10

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Every address that is listened on."""
        return tuple(parse_address(text) for text in (self.grpc, self.http) if text is not None)

    @property
    def is_loopback_only(self) -> bool:
        """Whether only this machine can reach the receiver."""
        return all(address.is_loopback for address in self.addresses)


def exposure_problem(config: ReceiverConfig, *, has_keys: bool) -> str | None:
    """Why the receiver must not start: without a key anyone who reaches it could write into the ledger. None: it may."""
    if has_keys or config.is_loopback_only:
        return None
    exposed = next(address for address in config.addresses if not address.is_loopback)
    return f"other machines can reach {exposed.text} and there is no API key: run `spanledger keys create` first, or listen on 127.0.0.1"
