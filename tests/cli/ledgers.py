"""A small ledger that the tests of reading commands share (two tenants, one unattributed, one unpriced, one failed call, one told twice)
and its requests in the archive."""

from __future__ import annotations

from pathlib import Path

from spanledger.cli.config import Config
from spanledger.cli.folder import DataFolder
from spanledger.cli.tidying import keep_requests
from spanledger.receiver.journal import Journal, Record
from spanledger.store.ledger import Ledger
from tests.cli.otlp import as_protobuf, chat, span
from tests.cli.runner import spanledger


def small_ledger(folder: Path) -> Path:
    """Make the ledger; trace 1 is an agent with a tool, trace 2 two instrumentations on one call."""
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper", "gen_ai.usage.input_tokens": 2000}
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "lookup"}
    spans = [
        span(1, 1, {"tenant.id": "acme", "session.id": "s-1"}, name="POST /ask"),
        span(1, 2, agent, parent=1, name="invoke_agent helper"),
        chat(1, 3, None, parent=2),
        span(1, 4, tool, parent=2, name="execute_tool lookup"),
        chat(1, 5, None, parent=4),
        chat(2, 11, "globex"),
        chat(2, 12, "globex", parent=11),
        chat(3, 21, None),
        chat(4, 31, "acme", model="nobody-knows-7b"),
        chat(5, 41, "globex", input_tokens=None, output_tokens=None, attributes={"error.type": "timeout"}) | {"status": {"code": 2}},
    ]
    (folder / "small.pb").write_bytes(as_protobuf(*spans))
    answer = spanledger("ingest", "--data", folder / "data", folder / "small.pb")
    assert answer.code == 0, answer.err
    return folder / "data"


def begin_segment(data: Path) -> None:
    """The journal goes on in a new segment, so that those before it are done with."""
    with Journal(data / "journal", segment_bytes=1) as journal:
        journal.append(Record("default", None, None, 1, b"")).result()


def archived(data: Path) -> Path:
    """The same folder with its requests in the archive."""
    with Ledger.open(data, read_only=True) as ledger:
        position = ledger.position
    begin_segment(data)
    assert keep_requests(DataFolder(data), Config(), position).archived == 1
    return data
