"""The store's settings, checked when the program starts."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ProofConfig(BaseModel):
    """Signed checkpoints that a server makes by itself. One kept where the ledger's keepers cannot write proves that nothing was cut off
    or written anew.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    checkpoint_every_seconds: float = Field(default=3_600.0, ge=0)
    """How often a server signs a checkpoint, if anything was booked since the last; 0 never."""

    checkpoint_file: str | None = None
    """Where it also writes each checkpoint: a file, which is replaced, or an existing folder, which gets a file for each."""

    checkpoint_url: str | None = None
    """Where it also posts each checkpoint, as text/plain: https, or http on this machine."""

    key_file: str | None = None
    """The Ed25519 key (PEM) that signs; by default `checkpoint.key` in the data folder, made on first use."""


class PublishConfig(BaseModel):
    """The ledger as a table that other engines read in place."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    delta: bool = False
    """Keep a Delta table of the ledger's entries up, over the ledger's own files (the data folder's events)."""

    every_seconds: float = Field(default=10.0, ge=0.5, le=3_600)
    """How often to look for new commits; a version is only written if there are any, or files were merged."""

    keep_seconds: int = Field(default=86_400, ge=0)
    """How long files that were merged away stay for those who still read an older version of the table."""


class StoreConfig(BaseModel):
    """How the ledger is kept. Every default is meant to be left alone."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    past_days: int = Field(default=400, ge=1, le=36_500)
    """Spans that start more than this many days before their receipt share one partition (event_date=1970-01-01)."""

    future_days: int = Field(default=2, ge=1, le=365)
    """Spans that start more than this many days after their receipt share one partition (event_date=9999-12-31)."""

    index_bytes_max: int = Field(default=256 * 1024 * 1024, ge=1024 * 1024)
    """Memory for the index of stored traces; beyond it the days not asked for lately are read again when needed."""

    compact_files_min: int = Field(default=8, ge=2)
    """Small files of one table and day are merged once there are this many."""

    compact_rows_max: int = Field(default=500_000, ge=1_000)
    """Files are merged up to this many rows; merging takes about a kilobyte of memory for each."""

    compact_grace_seconds: float = Field(default=600.0, ge=0)
    """How long files that were merged away stay for the readers that still use them."""

    chargeless_days: float = Field(default=7.0, ge=0)
    """Spans of traces without any charge are dropped this many days after their receipt; 0 keeps them for ever."""

    query_memory_mb: int = Field(default=1024, ge=64)
    """Memory that a report or query may take before it goes to the disk (in the data folder's tmp)."""

    query_threads: int = Field(default=0, ge=0)
    """Threads of a report or query; 0 is one per core."""

    sql_rows_max: int = Field(default=10_000, ge=1)
    """Most rows a `sql` query returns."""

    sql_timeout_seconds: float = Field(default=30.0, gt=0)
    """After this time a `sql` query is stopped."""

    proof: ProofConfig = Field(default_factory=ProofConfig)
    """Signed checkpoints."""
