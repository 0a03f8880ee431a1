"""A large partition is read in pieces: every row once, and whatever corrects a charge in the piece of the charge."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from spanledger.enrich.book import reversal
from spanledger.store.compact import Compactor
from spanledger.store.config import StoreConfig
from spanledger.store.event_rows import from_table
from spanledger.store.ledger import Ledger
from spanledger.store.partition_pieces import Piece, pieces
from spanledger.store.query import EVERYTHING
from tests.store.histories import adjustment
from tests.store.samples import NOON, event


def ledger(folder: Path, config: StoreConfig) -> Ledger:
    """Sixty calls of one day in three commits; then the first twenty are corrected, and a call is shared by two payers."""
    found = Ledger.open(folder, config=config)
    charges = [event(n) for n in range(1, 61)]
    for n in range(3):
        found.commit(charges[20 * n : 20 * n + 20], [], position=n + 1, open_position=0, booked_ns=NOON)
    corrections = [adjustment(1_000 + n, charge, 9) for n, charge in enumerate(charges[:10])]
    corrections += [reversal(charge, "revised", NOON) for charge in charges[10:20]]
    parts = [event(70, split_weight=f"{n}/3", split_index=n)._replace(event_id=bytes([n]) * 16, trace_id=b"t" * 16) for n in (1, 2)]
    found.commit([*corrections, *parts], [], position=4, open_position=0, booked_ns=NOON)
    return found


def groups(piece: Piece) -> set[bytes]:
    """The calls that a piece has corrections or parts of."""
    return {entry.trace_id for entry in from_table(piece.read()) if entry.kind != "charge" or entry.split_weight is not None}


@pytest.mark.parametrize("rows_max", [7, 25, 1_000])
@pytest.mark.parametrize("compacted", [False, True])
def test_every_row_once_and_calls_whole(tmp_path: Path, rows_max: int, compacted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanledger.store.parquet.ROW_GROUP_ROWS", 8)
    config = StoreConfig(compact_files_min=2, compact_grace_seconds=0)
    with ledger(tmp_path, config) as writer:
        if compacted:
            assert Compactor(tmp_path, config).run().files_written == 1
        found = list(pieces(writer, EVERYTHING, rows_max))
        entries = [entry for piece in found for entry in from_table(piece.read())]
        assert Counter(entry.event_id for entry in entries) == Counter({entry.event_id: 1 for entry in entries})
        assert len(entries) == 82
        assert (len(found) > 1) == (rows_max < 82)
        for piece in found:
            mine = from_table(piece.read())
            ids = {entry.event_id for entry in mine}
            assert all(entry.ref_event_id in ids for entry in mine if entry.kind != "charge")
            assert sum(entry.split_weight is not None for entry in mine) in (0, 2)
        corrected = [groups(piece) for piece in found]
        assert sum(map(len, corrected)) == len(set.union(*corrected)) == 21


def test_a_piece_is_the_same_when_it_is_read_again_with_other_columns(tmp_path: Path) -> None:
    with ledger(tmp_path, StoreConfig()) as writer:
        for piece in pieces(writer, EVERYTHING, 25):
            few, all_of_it = piece.read(["event_id", "tenant_id"]), piece.read()
            assert few.column_names == ["event_id", "tenant_id"]
            assert few.column("event_id").to_pylist() == all_of_it.column("event_id").to_pylist()
            assert few.column("tenant_id").to_pylist() == all_of_it.column("tenant_id").to_pylist()
