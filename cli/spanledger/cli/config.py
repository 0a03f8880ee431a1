"""The configuration of everything, composed of the parts' own settings: what `serve` and `ingest` start with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from spanledger.cli.forward_config import ForwardConfig
from spanledger.cli.settings import Layer, Loaded, from_environment
from spanledger.enrich.config import EnrichConfig
from spanledger.receiver.config import ReceiverConfig
from spanledger.store.config import PublishConfig, StoreConfig


class WorkerConfig(BaseModel):
    """How the worker carries the journal into the ledger."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch_seconds: float = Field(default=1.0, ge=0.05, le=60, description="Commit at least this often while spans come.")
    batch_spans: int = Field(default=50_000, ge=1, le=1_000_000, description="Commit when this many spans have been read.")
    drain_seconds: float = Field(
        default=20.0, ge=0, le=3600, description="At a graceful stop, how long to work off the journal; the rest waits for the next start."
    )
    compact_every_seconds: int = Field(default=300, ge=1, description="How often to look whether small ledger files should be joined.")


class Config(BaseModel):
    """All settings, by part; every one has a default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    receiver: ReceiverConfig = Field(default_factory=ReceiverConfig, description="Listening, limits, pruning and the journal.")
    enrich: EnrichConfig = Field(default_factory=EnrichConfig, description="Payers, dialects and settlement.")
    store: StoreConfig = Field(default_factory=StoreConfig, description="The ledger's files.")
    worker: WorkerConfig = Field(default_factory=WorkerConfig, description="From journal to ledger.")
    forward: ForwardConfig = Field(default_factory=ForwardConfig, description="Costs sent on as OTLP logs and metrics.")
    publish: PublishConfig = Field(default_factory=PublishConfig, description="The ledger as a table for other engines.")

    @model_validator(mode="before")
    @classmethod
    def _off_is_none(cls, given: Any) -> Any:
        """TOML and the environment know no null: receiver.grpc = "off" turns a protocol off."""
        receiver = given.get("receiver") if isinstance(given, dict) else None
        if not isinstance(receiver, dict):
            return given
        told = {name: None if name in {"grpc", "http"} and value == "off" else value for name, value in receiver.items()}
        return {**given, "receiver": told}


def load_config(path: Path | None, options: list[Layer] | None = None) -> Loaded[Config]:
    """The effective configuration: defaults, file, environment, options; UsageMistake in one line where it is wrong."""
    return from_environment(Config, path, options or [])
