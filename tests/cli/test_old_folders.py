"""Data folders that earlier versions wrote are read, checked, added to and re-priced by this one (scripts/make_data_folder.py)."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.otlp import CHAT_USD, as_protobuf, chat
from tests.cli.runner import events, spanledger
from tests.cli.test_repricing import NEW, with_catalog

FOLDERS = Path(__file__).resolve().parents[1] / "data/folders"
VERSIONS = sorted(path.name for path in FOLDERS.iterdir() if path.is_dir())


@pytest.fixture(params=VERSIONS)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A copy of a folder, and what must be found in it."""
    folder = FOLDERS / str(request.param)
    shutil.copytree(folder / "data", tmp_path / "data")
    return tmp_path / "data", json.loads((folder / "expected.json").read_text("utf-8"))


def tenants(data: Path) -> dict[str, list[Any]]:
    answer = spanledger("report", "--data", data, "--by", "tenant", "--format", "jsonl")
    assert answer.code == 0, answer.err
    return {row["tenant"] or "": [row["calls"], row["cost_usd"]] for row in answer.rows()}


def test_there_is_one_for_this_version_at_least() -> None:
    assert VERSIONS


def test_everything_is_found_as_it_was(kept: tuple[Path, dict[str, Any]]) -> None:
    data, expected = kept
    assert tenants(data) == expected["tenants"]
    found = sorted([event["event_id"], event["kind"], event["cost_usd"] or ""] for event in events(data, "--all"))
    assert found == expected["entries"]
    assert {kind for _, kind, _ in found} >= {"charge", "reversal"}


def test_it_can_be_verified(kept: tuple[Path, dict[str, Any]]) -> None:
    data, _ = kept
    assert list((data / "archive").iterdir())
    for how in ("--full", "--deep"):
        answer = spanledger("verify", how, "--data", data)
        assert answer.code == 0, answer.out + answer.err


def test_it_is_added_to_and_what_was_sent_then_is_known(kept: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    data, expected = kept
    before = len(events(data))
    again = chat(1, 2, "globex", start_ns=1_795_132_800_000_000_000 + 62_000_000_000)
    (tmp_path / "in.pb").write_bytes(as_protobuf(again, chat(77, 1, "newcomer")))
    assert spanledger("ingest", "--data", data, tmp_path / "in.pb").code == 0
    assert len(events(data)) == before + 1
    assert tenants(data) == expected["tenants"] | {"newcomer": [1, CHAT_USD]}
    assert spanledger("verify", "--full", "--data", data).code == 0


def test_it_is_repriced(kept: tuple[Path, dict[str, Any]]) -> None:
    """The other catalog has gpt-4o-mini at 0.30 for 0.15 and so 0.00015 more for a call, and lacks nothing else that was priced."""
    data, expected = kept
    with_catalog(data)
    answer = spanledger("reprice", "--data", data, "--catalog", NEW.id, "--commit", "--yes", "--format", "jsonl")
    assert answer.code == 0, answer.err
    priced = {"globex": 22, "initech": 21, "acme": 19, "": 1}
    for tenant, calls in priced.items():
        assert Decimal(tenants(data)[tenant][1]) == Decimal(expected["tenants"][tenant][1]) + calls * Decimal("0.00015")
    assert spanledger("verify", "--full", "--data", data).code == 0


def test_its_metastore_is_brought_up_to_date_and_can_be_backed_up(kept: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    data, expected = kept
    assert spanledger("compact", "--data", data).code == 0
    assert spanledger("backup", "--data", data, tmp_path / "copy").code == 0
    assert spanledger("restore", tmp_path / "copy", "--data", tmp_path / "other").code == 0
    assert tenants(tmp_path / "other") == expected["tenants"]
    assert spanledger("verify", "--full", "--data", tmp_path / "other").code == 0
