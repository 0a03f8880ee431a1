"""docs/explain.md: every command in it does what it says, on a ledger like the one it speaks of."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from spanledger.store.ledger import Ledger
from tests.cli.runner import spanledger
from tests.store.samples import DAY_NS, NOON, event, reading

GUIDE = Path(__file__).parents[2] / "docs/explain.md"
COMMANDS = [line for line in GUIDE.read_text("utf-8").splitlines() if line.startswith("spanledger ")]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guide") / "data"
    trace = {"trace_id": bytes.fromhex("0af7651916cd43dd8448eb211c80319c"), "start_ns": NOON - DAY_NS}
    charge = event(1, event_id=bytes.fromhex("3d8eb2c8" + "00" * 12), customer_price_usd=2 * 10**16, **trace)
    late = event(2, booked_ns=NOON + 20 * DAY_NS)
    with Ledger.open(folder) as ledger:
        ledger.commit([charge, late], [reading(1, **trace), reading(2)], position=1, open_position=0, booked_ns=NOON)
    return folder


def test_there_are_commands_to_try() -> None:
    assert len(COMMANDS) > 10


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_works(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.chdir(tmp_path)
    answer = spanledger(*shlex.split(command)[1:], "--data", data)
    assert answer.code == 0, answer.err
    written = list(tmp_path.glob("*.html"))
    shown = written[0].read_text("utf-8") if written else answer.out
    assert "acme" in shown or "0.01" in shown
