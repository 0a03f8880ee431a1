"""Whatever is done to a ledger behind its back is noticed and said with its place: rows, files, commits, chain, metastore, checkpoints.

Each mutation is done to a copy of one folder of four commits; the folder as it is, and a rewriting of everything without a checkpoint,
are the controls that must pass.
"""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanledger.store.chain import FOLDER, file_sha256, read_head
from spanledger.store.checkpoints import Checkpoint, keep, load_key, make_note, read_note
from spanledger.store.compact import Compactor
from spanledger.store.config import StoreConfig
from spanledger.store.ledger import Ledger
from spanledger.store.metastore import FILE_NAME, connect
from spanledger.store.parquet import options
from spanledger.store.verify import Verified, verify
from tests.store.samples import DAY_NS, NOON, event, reading

CHAIN = f"{FOLDER}/000000000000.chain"


def book(folder: Path, first: int, last: int) -> Checkpoint:
    """Commits of three entries each (two tenants and nobody, two days); the checkpoint at their end."""
    with Ledger.open(folder) as ledger:
        for number in range(first, last + 1):
            some = [event(number), event(100 + number, tenant_id="bolt"), event(200 + number, tenant_id=None, start_ns=NOON - DAY_NS)]
            ledger.commit(some, [reading(number)], position=number, open_position=0, booked_ns=NOON + number)
        head = read_head(ledger.metastore.connection)
        assert head is not None
        return read_note(make_note(head, load_key(folder.parent / "key", create=True), ledger.entries_total, NOON))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Checkpoint]:
    root = tmp_path_factory.mktemp("verify")
    return root / "data", book(root / "data", 1, 4)


@pytest.fixture
def folder(original: tuple[Path, Checkpoint], tmp_path: Path) -> Path:
    shutil.copytree(original[0], tmp_path / "data")
    return tmp_path / "data"


def places(found: Verified) -> list[str]:
    return [finding.where for finding in found.findings]


def event_files(folder: Path) -> list[Path]:
    return sorted((folder / "events").rglob("*.ledger"))


def change_rows(folder: Path, change: Callable[[pa.Table], pa.Table], *, cover_up: bool = True) -> None:
    """Rewrite the first events file, and make the metastore's list say that it is so."""
    path = event_files(folder)[-1]
    rows = change(pq.read_table(path))
    pq.write_table(rows, path, **options("events"))
    if cover_up:
        cover(folder, path, rows.num_rows)


def cover(folder: Path, path: Path, rows: int) -> None:
    from spanledger.store.files import row_digest
    from spanledger.store.verify_source import file_rows

    name = path.relative_to(folder).as_posix()
    store = connect(folder / FILE_NAME)
    store.execute("UPDATE files SET rows = ?, bytes = ?, sha256 = ? WHERE path = ?", (rows, path.stat().st_size, file_sha256(path), name))
    [row] = [row for row in file_rows(store) if row.path == name]
    store.execute("UPDATE files SET row_sha256 = ? WHERE path = ?", (row_digest(row[:14]), name))
    store.close()


def setting(column: str, value: object) -> Callable[[pa.Table], pa.Table]:
    """Sets a column of the first row."""

    def change(rows: pa.Table) -> pa.Table:
        index = rows.column_names.index(column)
        values = [value, *rows.column(column).to_pylist()[1:]]
        return rows.set_column(index, rows.schema.field(index), pa.array(values, rows.schema.field(index).type))

    return change


def edit(sql: str, *values: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        store = sqlite3.connect(folder / FILE_NAME)
        store.execute(sql, values)
        store.commit()
        store.close()

    return change


def lines(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        path = folder / CHAIN
        path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))

    return changed


def test_a_ledger_that_nobody_touched_is_fine(original: tuple[Path, Checkpoint]) -> None:
    for full in (False, True):
        found = verify(original[0], full=full, checkpoints=[original[1]])
        assert found.findings == ()
        assert (found.records, found.entries, found.files, found.sums["cost_usd"]) == (5, 12, 12, 12 * 12_500_000_000_000_000)


def test_compaction_and_later_commits_change_nothing(folder: Path, original: tuple[Path, Checkpoint]) -> None:
    Compactor(folder, StoreConfig(compact_files_min=2, compact_grace_seconds=0)).run(NOON + 2 * DAY_NS)
    assert len(event_files(folder)) > 2  # the old ones stay for a grace
    book(folder, 5, 6)
    found = verify(folder, full=True, checkpoints=[original[1]])
    assert (found.findings, found.entries) == ((), 18)


def test_amounts_that_only_some_commits_have_are_summed_commit_by_commit_after_compaction(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    agreed = {"contracted_cost_usd": 12_500_000_000_000_000, "customer_price_usd": 15_000_000_000_000_000}
    with Ledger.open(folder) as ledger:
        for number, amounts in ((1, {}), (2, agreed), (3, {}), (4, dict.fromkeys(agreed, 0))):
            ledger.commit([event(number, **amounts)], [], position=number, open_position=0, booked_ns=NOON + number)
    Compactor(folder, StoreConfig(compact_files_min=2, compact_grace_seconds=0)).run(NOON + 2 * DAY_NS)
    assert verify(folder, full=True).findings == ()

    [joined] = [path for path in event_files(folder) if pq.read_metadata(path).num_rows == 4]
    rows = pq.ParquetFile(joined).read()
    index = rows.column_names.index("customer_price_usd")
    rows = rows.set_column(index, rows.schema.field(index), pa.nulls(4, rows.schema.field(index).type))
    pq.write_table(rows, joined, **options("events"))
    cover(folder, joined, 4)
    found = verify(folder, full=True)
    said = [(each.where, each.expected, each.actual) for each in found.findings if "customer_price_usd" in each.problem]
    assert said == [("commit 2", "0.015 USD", "nothing"), ("commit 4", "0 USD", "nothing")]


def test_nothing_is_written_and_a_read_only_copy_will_do(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    for path in (folder, *folder.rglob("*")):
        path.chmod(stat.S_IRUSR | (stat.S_IXUSR if path.is_dir() else 0))
    try:
        assert verify(folder, full=True).is_fine
        assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    finally:
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o700)


def test_it_works_beside_a_writer(folder: Path) -> None:
    with Ledger.open(folder) as ledger:
        ledger.commit([event(77)], [], position=50, open_position=0, booked_ns=NOON)
        assert verify(folder, full=True).findings == ()


ROWS: dict[str, Callable[[pa.Table], pa.Table]] = {
    "another tenant": setting("tenant_id", "other"),
    "another cost": setting("cost_usd", None),
    "another user": setting("user_id", "u-9"),
    "empty for NULL": setting("region", ""),
    "a later time": setting("start_ns", NOON + 1),
    "a row less": lambda rows: rows.slice(1),
    "a row twice": lambda rows: pa.concat_tables([rows, rows.slice(0, 1)]),
    "numbers exchanged": lambda rows: rows.set_column(
        rows.column_names.index("entry_number"), rows.schema.field("entry_number"), rows.column("entry_number").take([1, 0])
    ),
    "a foreign number": setting("entry_number", 4_711),
}


@pytest.mark.parametrize("name", ROWS)
def test_changed_rows_are_found_though_the_list_of_files_was_changed_too(folder: Path, name: str) -> None:
    change_rows(folder, ROWS[name])
    found = verify(folder, full=True)
    assert not found.is_fine
    assert any(place in ("commit 4", "entry 4711", "entry 10", "entry 11", "meta.sqlite") for place in places(found)), found.findings


def test_without_reading_the_rows_a_covered_up_change_passes(folder: Path) -> None:
    """The control of the test above: quick verification only reads digests, and those were made right."""
    change_rows(folder, ROWS["another user"])
    assert verify(folder).is_fine


OTHERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a file is gone": (lambda folder: event_files(folder)[0].unlink(), "file events/"),
    "a file of spans is gone": (lambda folder: next(folder.glob("spans/*/*.ledger")).unlink(), "file spans/"),
    "a file was changed": (lambda folder: change_rows(folder, ROWS["another user"], cover_up=False), "file events/"),
    "a record is gone": (lines(lambda old: [*old[:2], *old[3:]]), "record 2"),
    "records exchanged": (lines(lambda old: [old[0], old[2], old[1], *old[3:]]), "record 1"),
    "a record is there twice": (lines(lambda old: [*old[:2], old[1], *old[2:]]), "record 2"),
    "the last record is gone": (lines(lambda old: old[:-1]), "record 4"),
    "a sum was changed": (lines(lambda old: [old[0], old[1].replace(b'"cost_usd":"3', b'"cost_usd":"4'), *old[2:]]), "record 1"),
    "a root was changed": (lines(lambda old: [old[0], old[1][:10] + old[2][10:74] + old[1][74:], *old[2:]]), "record 2"),
    "the chain is gone": (lambda folder: (folder / CHAIN).unlink(), "record 0"),
    "a foreign file of the chain": (lambda folder: (folder / FOLDER / "x").write_text("x") and None, "file chain/x"),
    "a commit is gone": (edit("DELETE FROM commits WHERE number = 2"), "commit 2"),
    "a commit was changed": (edit("UPDATE commits SET booked_ns = 1 WHERE number = 3"), "commit 3"),
    "a commit was added": (edit("INSERT INTO commits VALUES (5, 5, 0, 5, 0, 0, 12)"), "commit 5"),
    "a file was taken off the list": (edit("DELETE FROM files WHERE rowid = (SELECT max(rowid) FROM files)"), "meta.sqlite"),
    "a file's row was changed": (edit("UPDATE files SET start_ns_min = 0 WHERE rowid = 1"), "file "),
    "the head was changed": (edit("UPDATE chain_head SET chain_hash = zeroblob(32)"), "meta.sqlite"),
    "the head is gone": (edit("DELETE FROM chain_head"), "chain"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_changed_files_commits_and_records_are_found_with_their_place(folder: Path, name: str) -> None:
    change, place = OTHERS[name]
    store = sqlite3.connect(folder / FILE_NAME)
    store.execute("PRAGMA foreign_keys = OFF")
    store.close()
    change(folder)
    found = verify(folder)
    assert not found.is_fine
    assert any(each.startswith(place) for each in places(found)), found.findings


def test_what_was_cut_off_is_found_with_a_checkpoint_only(folder: Path, original: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    shorter = tmp_path / "shorter"
    early = book(shorter, 1, 2)
    shutil.copytree(shorter, tmp_path / "copy")
    later = book(shorter, 3, 4)
    assert verify(tmp_path / "copy", full=True).is_fine, "without a checkpoint nobody can know that there was more"
    assert verify(tmp_path / "copy", checkpoints=[early]).is_fine
    found = verify(tmp_path / "copy", checkpoints=[later])
    assert [finding.problem for finding in found.findings] == ["the ledger was cut off: it had more records when this was signed"]


def test_a_ledger_written_anew_is_found_with_a_checkpoint_only(folder: Path, original: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    book(tmp_path / "anew", 1, 4)
    ledger = original[1].ledger
    forged = tmp_path / "anew"
    assert verify(forged, full=True).is_fine
    assert not verify(forged, checkpoints=[original[1]]).is_fine
    assert (
        verify(forged, checkpoints=[original[1]._replace(ledger=verify(forged).ledger or "")])
        .findings[0]
        .problem.startswith("the chain was rewritten")
    )
    assert ledger != verify(forged).ledger


def test_checkpoints_kept_in_the_folder_are_checked_too(folder: Path, original: tuple[Path, Checkpoint]) -> None:
    path = keep(folder, original[1].size, original[1].note)
    assert verify(folder).checkpoints == 1
    path.write_text(original[1].note.replace("entries 12", "entries 13"))
    assert places(verify(folder)) == ["file checkpoints/000000000005.txt"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, 10**6), at=st.integers(0, 10**9), bit=st.integers(0, 7))
def test_a_flipped_bit_in_any_data_file_or_the_chain_is_found_and_located(
    original: tuple[Path, Checkpoint], which: int, at: int, bit: int, tmp_path: Path
) -> None:
    copy = tmp_path / "flipped"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(original[0], copy)
    files = sorted([*copy.rglob("*.ledger"), *copy.rglob("*.chain")])
    path = files[which % len(files)]
    data = bytearray(path.read_bytes())
    at %= len(data)
    data[at] ^= 1 << bit
    path.write_bytes(data)
    found = verify(copy)
    assert not found.is_fine
    name = path.relative_to(copy).as_posix()
    record = bytes(path.read_bytes()[:at]).count(b"\n")
    assert places(found)[0] in ({f"file {name}"} if name != CHAIN else {f"record {record}", f"record {record + 1}", "meta.sqlite"})


def test_a_ledger_from_before_the_chain_gets_one_over_all_that_is_there(folder: Path) -> None:
    store = sqlite3.connect(folder / FILE_NAME)
    store.executescript("DELETE FROM chain_head; UPDATE files SET sha256 = NULL, row_sha256 = NULL")
    store.close()
    shutil.rmtree(folder / FOLDER)
    assert places(verify(folder))[0] == "chain"
    book(folder, 5, 5)
    found = verify(folder, full=True)
    assert (found.findings, found.records, found.entries) == ((), 2, 15)
    change_rows(folder, ROWS["another user"])
    assert not verify(folder, full=True).is_fine


def test_a_damaged_file_does_not_end_the_verification(folder: Path) -> None:
    path = event_files(folder)[-1]
    path.write_bytes(path.read_bytes()[:200])
    found = verify(folder, full=True)
    assert {f"file {path.relative_to(folder).as_posix()}", "entry 10", "entry 11"} <= set(places(found))


@pytest.mark.parametrize("parallel", [1, 10**9])
def test_processes_find_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch, parallel: int) -> None:
    monkeypatch.setattr("spanledger.store.verify_rows.PARALLEL_ROWS", parallel)
    assert verify(folder, full=True).is_fine
    change_rows(folder, ROWS["another user"])
    assert [(finding.where, finding.problem[:11]) for finding in verify(folder, full=True).findings] == [("commit 4", "rows differ")]
