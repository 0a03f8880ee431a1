"""`compact`: joins small ledger files, beside a running server or without one."""

from __future__ import annotations

from pathlib import Path


def compact_folder(data: Path, config_path: Path | None) -> str:
    """Compact and say what was done."""
    raise NotImplementedError
