"""`recompute`: what the requests come to is what the ledger says net; whatever is changed in the ledger is found."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spanledger.cli.config import Config
from spanledger.cli.folder import DataFolder
from spanledger.cli.recomputing import Recomputed, recompute
from spanledger.receiver.journal import JournalCorruptError
from spanledger.store.ledger import Ledger
from tests.cli.ledgers import archived, small_ledger
from tests.cli.otlp import chat
from tests.cli.test_replay_report import WRONG_KEY, book, ingest


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return small_ledger(tmp_path)


def recomputed(data: Path, config: Config | None = None) -> Recomputed:
    return recompute(DataFolder(data), config or Config())


def test_a_ledger_agrees_with_its_requests(data: Path) -> None:
    found = recomputed(data)
    assert found.ok
    assert (found.mismatched, found.incomplete, found.still_open) == (0, 0, 0)
    assert found.charges == 6
    assert not found.rulesets
    assert not list((data / "tmp").glob("replay-*"))


def test_it_reads_the_archive_too(data: Path) -> None:
    archived(data)
    assert recomputed(data) == recomputed(data)
    assert recomputed(data).charges == 6
    victim = next((data / "archive").glob("*.zst"))
    whole = bytearray(victim.read_bytes())
    whole[len(whole) // 2] ^= 1
    victim.write_bytes(whole)
    with pytest.raises(JournalCorruptError, match=f"{victim.name} is damaged between offset"):
        recomputed(data)


def changed(data: Path, column: str, value: object) -> None:
    """Change the first row of the ledger in its file, behind the ledger's back."""
    with Ledger.open(data, read_only=True) as ledger:
        file = data / ledger.metastore.live_files("events")[0].path
    rows = pq.ParquetFile(file).read()
    at = rows.schema.get_field_index(column)
    values = rows.column(column).to_pylist()
    values[0] = value
    pq.write_table(rows.set_column(at, rows.schema.field(at), pa.array(values, rows.schema.field(at).type)), file)


@pytest.mark.parametrize(("column", "value"), [("input_tokens", 999_999), ("tenant_id", "somebody-else"), ("output_tokens", 1)])
def test_a_changed_row_is_found(data: Path, column: str, value: object) -> None:
    changed(data, column, value)
    found = recomputed(data)
    assert not found.ok
    assert found.mismatched == 1
    assert (found.mismatches[0].what, found.mismatches[0].fields[0][0]) == ("differs", column)


def test_a_charge_that_is_missing_or_too_many_is_found(data: Path) -> None:
    changed(data, "span_id", b"8 bytes!")
    assert sorted(mismatch.what for mismatch in recomputed(data).mismatches) == ["only from the requests", "only in the ledger"]


def test_other_rules_are_named_and_excuse_what_differs(tmp_path: Path) -> None:
    ingest(tmp_path, chat(1, 1, "acme", attributes={"session.id": "s-1"}), config=WRONG_KEY)
    found = recomputed(tmp_path / "data")
    assert found.mismatched == found.other_rules_mismatched == 1
    assert found.ok
    assert sum(found.rulesets.values()) == 1
    book(tmp_path)
    found = recomputed(tmp_path / "data")
    assert (found.mismatched, sum(found.rulesets.values())) == (0, 0), "after a replay the ledger is what the present rules say"
