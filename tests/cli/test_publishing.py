"""The Delta table is kept up by a server, and by a command where there is none."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import polars
import pytest

from spanledger.cli.publishing import Keeper
from spanledger.store.config import PublishConfig
from tests.cli.ledgers import small_ledger
from tests.cli.otlp import as_protobuf, chat
from tests.cli.runner import events, server, spanledger
from tests.cli.test_server import post


def published(data: Path) -> tuple[Decimal, int]:
    """The sum and the number of the entries of the table."""
    frame = polars.scan_delta(str(data / "events")).select(polars.col("cost_usd").sum(), polars.len()).collect()
    cost, count = frame.row(0)
    return cost, count


def booked(data: Path) -> tuple[Decimal, int]:
    """The same, as a command says."""
    found = events(data)
    return sum((Decimal(event["cost_usd"]) for event in found if event["cost_usd"] is not None), Decimal(0)), len(found)


def test_a_command_brings_the_table_to_the_ledger(tmp_path: Path) -> None:
    data = small_ledger(tmp_path)
    answer = spanledger("publish", "delta", "--data", data)
    assert answer.code == 0, answer.err
    assert "is a Delta table, new: version 0" in answer.err
    assert published(data) == booked(data)
    assert "unchanged: version 0" in spanledger("publish", "delta", "--data", data).err
    assert "new: version 0" in spanledger("publish", "delta", "--data", data, "--anew").err
    (tmp_path / "more.pb").write_bytes(as_protobuf(chat(9, 91, "acme")))
    assert spanledger("ingest", "--data", data, tmp_path / "more.pb").code == 0
    assert "brought up to date: version 1" in spanledger("publish", "delta", "--data", data).err
    assert published(data) == booked(data)


def test_a_server_keeps_the_table_up_and_leaves_it_whole(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with server(data, env={"SPANLEDGER_PUBLISH__DELTA": "true"}) as running:
        assert post(running.http, as_protobuf(chat(1, 1, "acme"), chat(2, 2, "globex"))) == 200
        running.wait_for(data, 2)
        assert running.stop() == 0
        assert "began a Delta table" in running.log.read_text()
    assert published(data) == booked(data)
    assert published(data)[1] == 2


def test_without_being_told_a_server_publishes_nothing(tmp_path: Path) -> None:
    keeper = Keeper(small_ledger(tmp_path), PublishConfig())
    keeper.start()
    keeper.stop()
    assert not (tmp_path / "data/events/_delta_log").exists()


def test_a_table_that_cannot_be_kept_up_is_told_and_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = small_ledger(tmp_path)
    spanledger("publish", "delta", "--data", data)
    (data / "events/_delta_log/00000000000000000000.json").write_text("{")
    keeper = Keeper(data, PublishConfig(delta=True))
    keeper.start()
    keeper.stop()
    assert "publishing the Delta table was put off: PublishError" in caplog.text
    answer = spanledger("publish", "delta", "--data", data)
    assert (answer.code, answer.err.count("\n")) == (1, 1)
    assert "--anew" in answer.err
