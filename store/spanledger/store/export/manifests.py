"""What has been exported to a target, kept in the target: a manifest an increment, written last, and the cursor they make.

A manifest covers the entries from `first_entry` to `last_entry`; manifests follow one another without gap or overlap, so the ledger is in
the target exactly once up to the last one. `_spanledger/pending.json` says which increment was begun: after a crash the same one is made
again, under the same names and with the same bytes, before anything else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from spanledger.store.entries import decimal_text
from spanledger.store.export.targets import ExportError, Target

FOLDER: Final = "_spanledger"  # readers of a table's folder pass over names that begin with _
FORMAT: Final = "spanledger-export/1"


class Written(NamedTuple):
    """A file of an increment: its path in the target, rows, bytes and SHA-256."""

    path: str
    rows: int
    size: int
    sha256: str


class Increment(NamedTuple):
    """The entries `first_entry` to `last_entry` of a ledger in one shape. `options` are what the whole export was begun with."""

    ledger_id: str
    shape: str
    shape_version: int
    first_entry: int
    last_entry: int
    options: Mapping[str, Any]

    @property
    def manifest_path(self) -> str:
        """Where its manifest is written."""
        return f"{self.shape}/{FOLDER}/manifest-{self.last_entry:020d}.json"


def pending_path(shape: str) -> str:
    """Where it is written which increment was begun."""
    return f"{shape}/{FOLDER}/pending.json"


def last_increment(target: Target, shape: str) -> Increment | None:
    """The last increment that is whole in the target. Raises ExportError for a manifest that is not ours or cannot be read."""
    names = [name for name in target.names(f"{shape}/{FOLDER}") if name.startswith("manifest-")]
    return _read(target, f"{shape}/{FOLDER}/{names[-1]}") if names else None


def pending_increment(target: Target, shape: str) -> Increment | None:
    """The increment that was begun, and may or may not have been finished."""
    return _read(target, pending_path(shape))


def begin(target: Target, increment: Increment) -> None:
    """Say which increment is begun, before any of its files is written."""
    with target.write(pending_path(increment.shape)) as file:
        file.write(_text(_head(increment)))


def finish(target: Target, increment: Increment, files: list[Written], cost_usd: Decimal | None, written_at: str) -> None:
    """Make an increment part of the export. Raises ExportError if another exporter has been at the target meanwhile."""
    last = last_increment(target, increment.shape)
    if pending_increment(target, increment.shape) != increment or (last is not None and last.last_entry >= increment.first_entry):
        raise ExportError(f"another export wrote to {target.name}/{increment.shape} at the same time: run them one after the other")
    body = {
        **_head(increment),
        "rows": sum(file.rows for file in files),
        "cost_usd": None if cost_usd is None else decimal_text(cost_usd),
        "written_at": written_at,
        "files": [{"path": file.path, "rows": file.rows, "bytes": file.size, "sha256": file.sha256} for file in files],
    }
    with target.write(increment.manifest_path) as file:
        file.write(_text(body))
    target.remove(pending_path(increment.shape))


def _head(increment: Increment) -> dict[str, Any]:
    return {"format": FORMAT, **increment._asdict(), "options": dict(increment.options)}


def _text(body: Mapping[str, Any]) -> bytes:
    return (json.dumps(body, indent=1, ensure_ascii=False) + "\n").encode()


def _read(target: Target, path: str) -> Increment | None:
    raw = target.read(path)
    if raw is None:
        return None
    try:
        body = json.loads(raw)
        if body["format"] != FORMAT:
            raise ExportError(f"{target.name}/{path} was written by another version ({body['format']}): export to a new place")
        return Increment(*(body[name] for name in Increment._fields))
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(f"{target.name}/{path} is not a manifest of an export: {error}") from error
