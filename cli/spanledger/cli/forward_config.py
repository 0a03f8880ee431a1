"""The settings of `[forward]`: where cost events and figures are sent on to, and how."""

from __future__ import annotations

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from spanledger.receiver.config import is_loopback_host


class ForwardTls(BaseModel):
    """Whom to trust, and what to show."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ca_file: str | None = Field(default=None, description="PEM file with the CA of the receiver; without it those of the system.")
    certificate: str | None = Field(default=None, description="PEM file with our own certificate, where the receiver asks for one (mTLS).")
    private_key: str | None = Field(default=None, description="PEM file with its private key, not encrypted.")

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key belong together")
        return self


class ForwardConfig(BaseModel):
    """Costs back into the pipeline, as OTLP logs and metrics."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: str | None = Field(
        default=None, description="An OTLP receiver, such as https://collector.internal:4319; without one nothing is sent on."
    )
    protocol: Literal["grpc", "http"] = Field(default="grpc", description="`http` is OTLP/HTTP with protobuf.")
    headers: dict[str, str] = Field(default={}, description="Headers of every request, shown by `config show`.")
    header_files: dict[str, str] = Field(
        default={}, description="Headers whose values are secrets: name -> file that holds the value, read for every request."
    )
    tls: ForwardTls = Field(default_factory=ForwardTls, description="Certificates, of an https endpoint.")
    insecure: bool = Field(default=False, description="Allow an http endpoint on another machine: costs then travel in the open.")
    events: bool = Field(default=True, description="Send every ledger entry as a log record.")
    metrics: bool = Field(default=True, description="Send cost, tokens and calls per tenant, model and agent as metrics.")
    interval_seconds: float = Field(default=5, ge=0.05, le=3600, description="Look for new entries this often.")
    metrics_every_seconds: float = Field(default=60, ge=0.05, le=3600, description="Send the metrics this often.")
    batch_entries: int = Field(default=1000, ge=1, le=10_000, description="Entries in a request.")
    timeout_seconds: float = Field(default=10, gt=0, le=300, description="A request that takes longer has failed, and is sent again.")
    series_max: int = Field(
        default=10_000, ge=1, description="Beyond so many combinations of labels, new ones are counted together as `__other__`."
    )

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.endpoint is None:
            return self
        parts = urlsplit(self.endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("endpoint: write http:// or https:// with a host and a port")
        if parts.scheme == "http" and not self.insecure and not is_loopback_host(parts.hostname):
            raise ValueError("endpoint: use https, or set insecure = true for a network that you trust")
        if parts.username or parts.query or (self.protocol == "grpc" and parts.path.strip("/")):
            raise ValueError("endpoint: only a host and a port (OTLP/HTTP: also a path, before /v1/logs)")
        if any(name.lower() in ("authorization", "proxy-authorization", "cookie") for name in self.headers):
            raise ValueError("headers: put secrets into header_files, in files of their own")
        return self
