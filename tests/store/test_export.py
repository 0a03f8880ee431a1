"""An export holds every entry exactly once: whole, in increments, cut off anywhere, in a folder or an object store."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from spanledger.enrich.book import reversal
from spanledger.store.compact import Compactor
from spanledger.store.config import StoreConfig
from spanledger.store.errors import LedgerBusyError
from spanledger.store.export.every import SHAPES, shape_named
from spanledger.store.export.export import Exported, Request, export, ledger_id
from spanledger.store.export.targets import ExportError, FolderTarget, ObjectTarget, Target, target_of
from spanledger.store.ledger import Ledger
from tests.store.object_stores import gets_what_a_folder_gets
from tests.store.samples import DAY_NS, NOON, book, event

COST = Decimal("0.0125")
WRITTEN = "2026-11-21T12:00:00Z"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = Ledger.open(tmp_path / "data")
    book(found, event(1), event(2, tenant_id=None), event(3, start_ns=NOON + DAY_NS, end_ns=NOON + DAY_NS + 1))
    yield found
    found.close()


def correct(ledger: Ledger) -> None:
    """Somebody pays for the call that nobody paid for."""
    wrong = event(2, tenant_id=None)
    right = wrong._replace(event_id=bytes([4] * 16), tenant_id="globex", reason="payer_found")
    book(ledger, reversal(wrong, "payer_found", NOON + 5), right)


def run(ledger: Ledger, target: Target, shape: str = "events", form: str = "parquet", **options: Any) -> Exported:
    return export(ledger, target, Request(shape_named(shape), form, **options), now_text=WRITTEN)


def rows(folder: Path, shape: str, what: str, form: str = "parquet") -> list[tuple[Any, ...]]:
    """What plain DuckDB says of the files of a target."""
    read = {"parquet": "read_parquet", "csv": "read_csv", "jsonl": "read_ndjson"}[form]
    with duckdb.connect() as connection:
        return connection.execute(f"SELECT {what} FROM {read}(?)", [f"{folder}/{shape}/event_date=*/*.{form}"]).fetchall()


@pytest.mark.parametrize("shape", SHAPES)
def test_increments_add_up_to_the_ledger(ledger: Ledger, tmp_path: Path, shape: str) -> None:
    target = FolderTarget(tmp_path / "out")
    run(ledger, target, shape, since_last=True)
    correct(ledger)
    assert run(ledger, target, shape, since_last=True)[:2] == (4, 5)
    assert run(ledger, target, shape, since_last=True) == Exported(1, 0, 0, 0, 0, None)
    paid = sums(tmp_path / "out", shape)
    assert paid == {"acme": 2 * COST, "globex": COST, None: Decimal(0)}


def sums(folder: Path, shape: str) -> dict[str | None, Decimal]:
    with duckdb.connect() as connection:
        files = f"{folder}/{shape}/event_date=*/*.parquet"
        tenant, cost = ("x_TenantId", "BilledCost") if shape.startswith("focus") else ("tenant_id", "cost_usd")
        return dict(connection.execute(f"SELECT {tenant}, sum({cost}) FROM read_parquet(?) GROUP BY 1", [files]).fetchall())


def test_a_row_of_events_is_the_entry_with_ids_in_hex_and_times_in_utc(ledger: Ledger, tmp_path: Path) -> None:
    run(ledger, FolderTarget(tmp_path))
    found = rows(
        tmp_path, "events", "entry_number, event_id, kind, epoch_us(start_time), start_ns, tenant_id, cost_usd, event_date::VARCHAR"
    )
    assert sorted(found) == [
        (1, f"{1:032x}", "charge", NOON // 1000, NOON, "acme", COST, "2026-11-21"),
        (2, f"{2:032x}", "charge", NOON // 1000, NOON, None, COST, "2026-11-21"),
        (3, f"{3:032x}", "charge", (NOON + DAY_NS) // 1000, NOON + DAY_NS, "acme", COST, "2026-11-22"),
    ]


def test_lines_keep_an_entry_that_has_none(ledger: Ledger, tmp_path: Path) -> None:
    book(ledger, event(7, lines=(), cost_usd=None, list_cost_usd=None, price_state="unpriced"))
    run(ledger, FolderTarget(tmp_path), "lines")
    with duckdb.connect() as connection:
        files = f"{tmp_path}/lines/event_date=*/*.parquet"
        unpriced = connection.execute(
            "SELECT line_number, unit, quantity, cost_usd FROM read_parquet(?) WHERE price_state = 'unpriced'", [files]
        )
        assert unpriced.fetchall() == [(1, None, None, None)]
        both = connection.execute("SELECT sum(cost_usd), count(DISTINCT event_id) FROM read_parquet(?)", [files]).fetchone()
    assert both == (3 * COST, 4)


def test_the_hours_of_corrections_are_rows_of_their_own(ledger: Ledger, tmp_path: Path) -> None:
    correct(ledger)
    run(ledger, FolderTarget(tmp_path), "hourly")
    found = rows(tmp_path, "hourly", "kind, tenant_id, entries, charges, cost_usd, input_tokens")
    assert sorted(found, key=str) == [
        ("charge", "acme", 1, 1, COST, 1000),
        ("charge", "acme", 1, 1, COST, 1000),
        ("charge", "globex", 1, 1, COST, 1000),
        ("charge", None, 1, 1, COST, 1000),
        ("reversal", None, 1, -1, -COST, -1000),
    ]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_text_formats_have_the_same_figures_to_the_last_digit(ledger: Ledger, tmp_path: Path, form: str) -> None:
    book(ledger, event(8, cost_usd=1, tenant_id='a,"b"\n=1+1'))  # one atto-USD
    run(ledger, FolderTarget(tmp_path), form=form)
    text = next((tmp_path / "events/event_date=2026-11-21").glob(f"*.{form}")).read_text()
    if form == "jsonl":
        last = json.loads(text.splitlines()[-1])
        assert (last["cost_usd"], last["tenant_id"], last["start_time"]) == (
            "0.000000000000000001",
            'a,"b"\n=1+1',
            "2026-11-21T12:00:00.000000Z",
        )
        assert [(line["unit"], line["quantity"], line["amount"], line["per"]) for line in last["lines"]] == [
            (line.unit, line.quantity, line.amount, line.per) for line in event(8).lines
        ]
    else:
        assert '"a,""b""\n=1+1"' in text
        assert ",0.000000000000000001," in text


def test_an_export_is_not_mixed_with_another(ledger: Ledger, tmp_path: Path) -> None:
    target = FolderTarget(tmp_path / "out")
    run(ledger, target, since_last=True)
    with pytest.raises(ExportError, match="--since-last"):
        run(ledger, target)
    with pytest.raises(ExportError, match="other options"):
        run(ledger, target, since_last=True, form="csv")
    with pytest.raises(ExportError, match="other options"):
        run(ledger, target, since_last=True, filters={"tenant": ["acme"]})
    other = Ledger.open(tmp_path / "other")
    book(other, event(1))
    with pytest.raises(ExportError, match="another ledger"):
        run(other, target, since_last=True)
    other.close()
    run(ledger, target, "lines")  # another shape stands beside


def test_an_older_copy_of_the_ledger_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    target = FolderTarget(tmp_path / "out")
    run(ledger, target, since_last=True)
    manifest = next((tmp_path / "out/events/_spanledger").glob("manifest-*"))
    ahead = json.loads(manifest.read_text()) | {"last_entry": 99}
    manifest.with_name(f"manifest-{99:020d}.json").write_text(json.dumps(ahead))
    with pytest.raises(ExportError, match="older copy"):
        run(ledger, target, since_last=True)


class _Cut(Exception):  # noqa: N818 - a power cut is no error of a program
    """The machine went off."""


class CutTarget(FolderTarget):
    """A folder whose machine goes off before the n-th file is written, or after it."""

    def __init__(self, root: Path, at: int, *, after: bool) -> None:
        super().__init__(root)
        self._left, self._after = at, after

    @contextmanager
    def write(self, path: str) -> Iterator[Any]:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise _Cut
        with super().write(path) as file:
            yield file
        if self._left == 0:
            raise _Cut


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 5))
def test_a_cut_off_export_is_made_again_and_nothing_is_there_twice(ledger: Ledger, tmp_path: Path, at: int, after: bool) -> None:
    """Four files are written: what is pending, two days, the manifest. Meanwhile the ledger goes on and is compacted."""
    with pytest.raises(_Cut):
        run(ledger, CutTarget(tmp_path / "out", at, after=after), since_last=True)
    correct(ledger)
    assert Compactor(ledger.data_dir, StoreConfig(compact_files_min=2, compact_grace_seconds=0)).run(NOON + DAY_NS)
    run(ledger, FolderTarget(tmp_path / "out"), since_last=True)
    assert sorted(rows(tmp_path / "out", "events", "entry_number")) == [(1,), (2,), (3,), (4,), (5,)]
    assert sums(tmp_path / "out", "events") == {"acme": 2 * COST, "globex": COST, None: Decimal(0)}
    assert not list((tmp_path / "out").rglob("*.unfinished"))


def test_without_the_pending_note_a_cut_off_export_would_double(ledger: Ledger, tmp_path: Path) -> None:
    """The control of the test above: it is the note that makes the same increment be made again."""
    with pytest.raises(_Cut):
        run(ledger, CutTarget(tmp_path / "out", 3, after=True), since_last=True)
    (tmp_path / "out/events/_spanledger/pending.json").unlink()
    correct(ledger)
    run(ledger, FolderTarget(tmp_path / "out"), since_last=True)
    assert len(rows(tmp_path / "out", "events", "entry_number")) > 5


def test_what_a_cut_off_attempt_left_at_other_sizes_is_removed(ledger: Ledger, tmp_path: Path) -> None:
    """Files of a row group each are begun; made again with larger files it is one, and the others' rows would be there twice."""
    book(ledger, *(event(number) for number in range(10, 10 + 35_000)))
    with pytest.raises(_Cut):
        run(ledger, CutTarget(tmp_path / "out", 3, after=True), "lines", file_bytes=1, since_last=True)
    assert len(list((tmp_path / "out/lines").rglob("part-*.parquet"))) == 2
    done = run(ledger, FolderTarget(tmp_path / "out"), "lines", since_last=True)
    assert len(list((tmp_path / "out/lines").rglob("part-*.parquet"))) == done.files == 2  # a day each
    assert rows(tmp_path / "out", "lines", "count(DISTINCT entry_number)") == [(35_003,)]
    assert rows(tmp_path / "out", "lines", "count(*)") == [(2 * 35_003,)]


def test_two_exporters_of_one_ledger_take_turns(ledger: Ledger, tmp_path: Path) -> None:
    """The same place, however it is written; another shape is another place."""

    class Nested(FolderTarget):
        def write(self, path: str) -> Any:
            with pytest.raises(LedgerBusyError, match="exporting events to"):
                run(ledger, FolderTarget(tmp_path / "x/../out"), since_last=True)
            run(ledger, FolderTarget(tmp_path / "out"), "hourly", since_last=True)
            return super().write(path)

    run(ledger, Nested(tmp_path / "out"), since_last=True)
    assert len(rows(tmp_path / "out", "events", "entry_number")) == 3


def test_an_exporter_elsewhere_is_noticed_before_anything_is_there_twice(ledger: Ledger, tmp_path: Path) -> None:
    """A copy of the ledger on another machine, which the lease does not know of, exports meanwhile."""
    ledger_id(ledger)
    shutil.copytree(ledger.data_dir, tmp_path / "copy")

    class Meanwhile(FolderTarget):
        def write(self, path: str) -> Any:
            if "event_date" in path and not self.names("events/event_date=2026-11-21"):
                with Ledger.open(tmp_path / "copy", read_only=True) as copy:
                    run(copy, FolderTarget(tmp_path / "out"), since_last=True)
            return super().write(path)

    with pytest.raises(ExportError, match="at the same time"):
        run(ledger, Meanwhile(tmp_path / "out"), since_last=True)
    assert len(rows(tmp_path / "out", "events", "entry_number")) == 3


def test_an_older_copy_does_not_forget_what_was_begun(ledger: Ledger, tmp_path: Path) -> None:
    ledger_id(ledger)
    shutil.copytree(ledger.data_dir, tmp_path / "copy")
    correct(ledger)
    with pytest.raises(_Cut):
        run(ledger, CutTarget(tmp_path / "out", 3, after=True), since_last=True)
    with Ledger.open(tmp_path / "copy", read_only=True) as copy, pytest.raises(ExportError, match="older copy"):
        run(copy, FolderTarget(tmp_path / "out"), since_last=True)
    run(ledger, FolderTarget(tmp_path / "out"), since_last=True)
    assert len(rows(tmp_path / "out", "events", "entry_number")) == 5


def test_compaction_between_two_days_takes_no_file_away(ledger: Ledger, tmp_path: Path) -> None:
    """Every file is merged and the old ones deleted at once, as after a grace that an export outlasts."""
    book(ledger, event(20), event(21, start_ns=NOON + DAY_NS, end_ns=NOON + DAY_NS + 1))
    config = StoreConfig(compact_files_min=2, compact_grace_seconds=0)

    class Compacting(FolderTarget):
        def write(self, path: str) -> Any:
            Compactor(ledger.data_dir, config).run(NOON + DAY_NS)
            Compactor(ledger.data_dir, config).run(NOON + DAY_NS + 1)
            return super().write(path)

    run(ledger, Compacting(tmp_path / "out"), since_last=True)
    assert sorted(rows(tmp_path / "out", "events", "entry_number")) == [(1,), (2,), (3,), (4,), (5,)]


def test_an_increment_opens_no_file_of_before(ledger: Ledger, tmp_path: Path) -> None:
    run(ledger, FolderTarget(tmp_path), since_last=True)
    for file in ledger.metastore.live_files("events"):
        (ledger.data_dir / file.path).unlink()
    correct(ledger)
    assert run(ledger, FolderTarget(tmp_path), since_last=True).rows == 2


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_lines_of_text_are_in_the_order_of_booking(ledger: Ledger, tmp_path: Path, form: str) -> None:
    book(ledger, *(event(number) for number in range(10, 10 + 35_000)))
    run(ledger, FolderTarget(tmp_path), "lines", form=form)
    text = next((tmp_path / "lines/event_date=2026-11-21").glob(f"*.{form}")).read_text().splitlines()
    numbers = [int(json.loads(line)["entry_number"] if form == "jsonl" else line.split(",", 1)[0]) for line in text[form == "csv" :]]
    assert numbers == sorted(numbers)
    assert len(numbers) == 2 * 35_002  # more than one batch


def test_csv_and_parquet_have_the_same_cells(ledger: Ledger, tmp_path: Path) -> None:
    book(ledger, event(9, tenant_id='a "b",\r\nc', flags=("late", 'x"y'), usage=(("pages", 3),), service_tier=""))
    for form in ("parquet", "csv"):
        run(ledger, FolderTarget(tmp_path / form), form=form)
    what = "entry_number, tenant_id, cost_usd::DECIMAL(38, 18), epoch_us(start_time), customer_billable::BOOLEAN, start_ns, agent"
    assert sorted(rows(tmp_path / "csv", "events", what, "csv")) == sorted(rows(tmp_path / "parquet", "events", what))
    _, flags, usage, lines = max(rows(tmp_path / "csv", "events", "entry_number, flags, usage, lines", "csv"))
    assert json.loads(flags) == ["late", 'x"y']
    assert json.loads(usage) == [{"unit": "pages", "quantity": 3}]
    assert json.loads(lines)[0]["cost_usd"] == "0.0025"


def test_files_are_of_the_size_asked_for_and_the_manifest_says_what_is_in_them(ledger: Ledger, tmp_path: Path) -> None:
    book(ledger, *(event(number) for number in range(10, 10 + 70_000)))
    done = run(ledger, FolderTarget(tmp_path), "lines", file_bytes=1)
    manifest = json.loads(next((tmp_path / "lines/_spanledger").glob("manifest-*")).read_text())
    assert len(manifest["files"]) == done.files >= 3
    for file in manifest["files"]:
        path = tmp_path / file["path"]
        with duckdb.connect() as connection:
            assert connection.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchone() == (file["rows"],)
        assert path.stat().st_size == file["bytes"]
    assert Decimal(manifest["cost_usd"]) == 70_003 * COST


def test_only_one_tenant(ledger: Ledger, tmp_path: Path) -> None:
    run(ledger, FolderTarget(tmp_path), filters={"tenant": ["acme"]})
    assert rows(tmp_path, "events", "DISTINCT tenant_id") == [("acme",)]
    assert sums(tmp_path, "events") == {"acme": 2 * COST}


@pytest.mark.parametrize(
    ("where", "complaint"),
    [("ftp://host/x", "no target"), ("s3://", "cannot be used"), ("az://", "cannot be used")],
)
def test_what_is_no_target_is_refused_in_a_line(where: str, complaint: str) -> None:
    with pytest.raises(ExportError, match=complaint) as refused:
        target_of(where)
    assert "\n" not in str(refused.value)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of a real S3 server on loopback."""
    moto = pytest.importorskip("moto.server", reason="needs moto: pip install 'moto[server,s3]'")
    import boto3

    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
    client.create_bucket(Bucket="finance")
    client.close()
    yield f"s3://finance/ledger?endpoint_override={host}:{port}&scheme=http&allow_bucket_creation=false"
    server.stop()


def test_an_s3_bucket_gets_what_a_folder_gets(tmp_path: Path, bucket: str) -> None:
    gets_what_a_folder_gets(bucket, tmp_path)


def test_a_bucket_that_is_not_there_is_said_in_a_line(ledger: Ledger, bucket: str) -> None:
    with pytest.raises(ExportError, match="nobodys") as refused:
        run(ledger, ObjectTarget(bucket.replace("finance", "nobodys")))
    assert "\n" not in str(refused.value)
