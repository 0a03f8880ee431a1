"""Late and again: what comes an hour, a restart, a compaction or a year after, through a real journal, worker, ledger and command line.

Each promise has its negative control: with the guard taken away, the same steps go wrong.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from spanledger.cli.config import Config
from spanledger.cli.folder import DataFolder
from spanledger.cli.parts import OpenWorker, open_journal
from spanledger.enrich.grants import DEFAULT_AUTHORITY
from spanledger.receiver.journal import Record
from spanledger.store.compact import Compactor, Done
from spanledger.store.config import StoreConfig
from tests.cli.otlp import CHAT_USD, NOW_NS, as_protobuf, chat, span
from tests.cli.runner import events, spanledger

SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS
DAY_NS = 24 * HOUR_NS
CONFIG = Config.model_validate({"worker": {"batch_seconds": 60}})

CALL = chat(1, 2, None, parent=1)
ROOT = span(1, 1, {"tenant.id": "acme", "gen_ai.conversation.id": "s-1"}, name="POST /ask")
CORRECTED = [("charge", None, None), ("reversal", "payer_found", None), ("charge", "payer_found", "acme")]


class Service:
    """A worker over a folder, at a time of our choosing."""

    def __init__(self, folder: DataFolder, opened: OpenWorker) -> None:
        self.folder, self.opened = folder, opened
        self.now_ns = NOW_NS
        opened.worker._clock_ns = lambda: self.now_ns

    def receive(self, *spans: Any, after_ns: int = 0, quiet_ns: int = HOUR_NS) -> None:
        """Spans come `after_ns` from now; then nothing does for `quiet_ns`."""
        self.now_ns += after_ns
        with open_journal(self.folder, CONFIG, at_least=self.opened.ledger.position) as journal:
            record = Record(DEFAULT_AUTHORITY, None, None, self.now_ns, as_protobuf(*spans))
            end = journal.append(record).result()
        while self.opened.worker.stats.position < end:
            self.opened.worker.take()
        self.opened.worker.commit()
        self.now_ns += quiet_ns
        self.opened.worker.commit()


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    found = DataFolder(tmp_path / "data")
    found.create()
    return found


@contextmanager
def service(folder: DataFolder) -> Iterator[Service]:
    with OpenWorker(folder, CONFIG) as opened:
        yield Service(folder, opened)


def compact(folder: DataFolder, days: float) -> Done:
    """Compaction some days from now, which drops traces without a charge after a week."""
    config = StoreConfig(compact_files_min=2, chargeless_days=7)
    return Compactor(folder.path, config).run(NOW_NS + int(days * DAY_NS))


def story(folder: DataFolder) -> list[tuple[str, str | None, str | None]]:
    return [(event["kind"], event["reason"], event["tenant_id"]) for event in events(folder.path, "--all")]


def net(folder: DataFolder) -> list[tuple[Any, ...]]:
    return [(event["span_id"], event["tenant_id"], event["input_tokens"], event["cost_usd"]) for event in events(folder.path)]


# -- a root that comes late ----------------------------------------------------------------------------------------------


def test_a_root_an_hour_later_pays_for_the_call(folder: DataFolder) -> None:
    with service(folder) as running:
        running.receive(CALL)
        assert story(folder) == CORRECTED[:1]
        running.receive(ROOT, after_ns=HOUR_NS)
    assert story(folder) == CORRECTED
    (event,) = events(folder.path)
    assert (event["cost_usd"], event["session_id"], event["tenant_source"]) == (CHAT_USD, "s-1", "ancestor:tenant.id")


def test_entries_of_a_correction_are_linked_and_told(folder: DataFolder) -> None:
    with service(folder) as running:
        running.receive(CALL)
        running.receive(ROOT, after_ns=HOUR_NS)
    wrong, undone, right = events(folder.path, "--all")
    assert undone["ref_event_id"] == right["ref_event_id"] == wrong["event_id"]
    assert len({wrong["event_id"], undone["event_id"], right["event_id"]}) == 3
    assert [entry["booked_ns"] for entry in (wrong, undone, right)] == sorted(entry["booked_ns"] for entry in (wrong, undone, right))
    document = json.loads(spanledger("explain", "--data", folder.path, f"{2:016x}", "--format", "json").out)
    assert [(entry["kind"], entry["tenant"], entry["cost_usd"]) for entry in document["history"]] == [
        ("charge", None, CHAT_USD),
        ("reversal", None, f"-{CHAT_USD}"),
        ("charge", "acme", CHAT_USD),
    ]
    assert document["history"][2]["reason"].startswith("payer_found: ")
    assert document["price"]["total_usd"] == CHAT_USD
    text = spanledger("explain", "--data", folder.path, f"{2:016x}").out
    assert "payer_found: a later span said whose it is" in text


@pytest.mark.parametrize("days", [0.05, 1, 300])
def test_a_root_after_a_restart(folder: DataFolder, days: float) -> None:
    with service(folder) as running:
        running.receive(CALL)
    with service(folder) as running:
        running.receive(ROOT, after_ns=int(days * DAY_NS))
    assert story(folder) == CORRECTED


def test_a_root_after_a_compaction_that_dropped_chargeless_spans(folder: DataFolder) -> None:
    """A month on: the trace of a charge keeps its skeleton, a trace without one goes."""
    with service(folder) as running:
        running.receive(CALL, span(1, 3, {}, parent=1, name="no call"))
        running.receive(span(5, 9, {}, parent=8, name="of no charged trace"))
    done = compact(folder, days=30)
    assert (done.files_written > 0, done.spans_dropped) == (True, 1)
    with service(folder) as running:
        running.receive(ROOT, after_ns=31 * DAY_NS)
    assert story(folder) == CORRECTED
    assert compact(folder, days=60).files_merged > 0
    assert [event[1:] for event in net(folder)] == [("acme", 1000, CHAT_USD)]


def test_without_the_skeleton_a_root_finds_nothing(folder: DataFolder) -> None:
    """The negative control: once the ledger forgets the trace's spans, the call stays with nobody."""
    with service(folder) as running:
        running.receive(CALL)
    with service(folder) as running:
        running.opened.ledger.traces = lambda _wanted: {}  # type: ignore[method-assign, assignment]  # the guard, taken away
        running.receive(ROOT, after_ns=HOUR_NS)
    assert story(folder) == CORRECTED[:1]


def test_a_call_that_comes_weeks_after_its_root_finds_it_until_it_is_dropped(folder: DataFolder) -> None:
    """A root alone is kept for a week: before, a late call finds it; after, it is with nobody until the root comes again."""
    with service(folder) as running:
        running.receive(ROOT, span(2, 11, {"tenant.id": "globex"}))
    assert compact(folder, days=6).spans_dropped == 0
    with service(folder) as running:
        running.receive(CALL, after_ns=6 * DAY_NS)
    assert [tenant for _, tenant, *_ in net(folder)] == ["acme"]
    assert compact(folder, days=30).spans_dropped == 1
    with service(folder) as running:
        running.receive(chat(2, 12, None, parent=11), after_ns=30 * DAY_NS)
        assert [tenant for _, tenant, *_ in net(folder)] == ["acme", None]
        running.receive(span(2, 11, {"tenant.id": "globex"}))
    assert [tenant for _, tenant, *_ in net(folder)] == ["acme", "globex"]


# -- an export that is repeated ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "is_compacted"), [(0.01, False), (400, False), (30, True), (400, True), (4_000, True)])
def test_an_export_repeated_after_years_is_charged_once(folder: DataFolder, days: float, is_compacted: bool) -> None:
    export = (ROOT, CALL, chat(3, 31, "globex"))
    with service(folder) as running:
        running.receive(*export)
    before = events(folder.path, "--all")
    assert len(before) == 2
    if is_compacted:
        assert compact(folder, days=days / 2).files_written
    with service(folder) as running:
        running.receive(*export, after_ns=int(days * DAY_NS))
        running.receive(*reversed(export), after_ns=HOUR_NS)
    assert sorted(event["event_id"] for event in events(folder.path, "--all")) == sorted(event["event_id"] for event in before)
    report = spanledger("report", "--data", folder.path, "--format", "jsonl").rows()
    assert {(row["tenant"], row["calls"], row["cost_usd"]) for row in report} == {("acme", 1, CHAT_USD), ("globex", 1, CHAT_USD)}


def test_without_the_ledgers_memory_a_repeated_export_would_be_charged_twice(folder: DataFolder) -> None:
    """The negative control of charging once."""
    with service(folder) as running:
        running.receive(chat(3, 31, "globex"))
    with service(folder) as running:
        running.opened.ledger.traces = lambda _wanted: {}  # type: ignore[method-assign, assignment]  # the guard, taken away
        running.receive(chat(3, 31, "globex"), after_ns=400 * DAY_NS)
    assert len(events(folder.path, "--all")) == 2


# -- the same identity with other content --------------------------------------------------------------------------------

END_NS = NOW_NS - 30 * SECOND_NS
UNFINISHED = chat(1, 2, "acme", output_tokens=None)
LARGER = chat(1, 2, "acme", input_tokens=3000)  # 3,000 * 0.15 + 100 * 0.60 = 510 per million
LATER_END = chat(1, 2, "globex") | {"endTimeUnixNano": str(END_NS)}


@pytest.mark.parametrize(
    ("one", "other", "stands"),
    [
        (UNFINISHED, CALL, CALL),
        (chat(1, 2, "acme"), LARGER, LARGER),
        (LARGER, LATER_END, LATER_END),
        (chat(1, 2, "acme"), chat(1, 2, "globex"), None),
    ],
    ids=["the fuller one", "the larger of two equals", "the one that ended later", "another payer"],
)
@pytest.mark.parametrize("is_restarted", [False, True])
def test_of_two_contents_the_same_one_counts_whatever_came_first(
    tmp_path: Path, one: Any, other: Any, stands: Any, is_restarted: bool
) -> None:
    nets, stories = [], []
    for number, (first, second) in enumerate(((one, other), (other, one))):
        folder = DataFolder(tmp_path / f"data{number}")
        folder.create()
        with service(folder) as running:
            running.receive(first)
            if not is_restarted:
                running.receive(second, after_ns=HOUR_NS)
        if is_restarted:
            with service(folder) as running:
                running.receive(second, after_ns=DAY_NS)
        nets.append(net(folder))
        stories.append([(kind, reason) for kind, reason, _ in story(folder)])
        assert len(nets[-1]) == 1
    assert nets[0] == nets[1]
    if stands is not None:
        alone = DataFolder(tmp_path / "alone")
        alone.create()
        with service(alone) as running:
            running.receive(stands)
        assert nets[0] == net(alone)
    [corrected] = [each for each in stories if len(each) > 1]  # in one of the two orders the better one came first
    assert [kind for kind, _ in corrected] == ["charge", "reversal", "charge"]
    assert stories.count([("charge", None)]) == 1


def test_with_the_last_to_come_winning_the_order_would_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control of the total order."""
    monkeypatch.setattr("spanledger.enrich.open_traces.supersedes", lambda _new, _old: True)
    nets = []
    for number, order in enumerate(((LARGER, LATER_END), (LATER_END, LARGER))):
        folder = DataFolder(tmp_path / f"data{number}")
        folder.create()
        with service(folder) as running:
            running.receive(order[0])
            running.receive(order[1], after_ns=HOUR_NS)
        nets.append(net(folder))
    assert nets[0] != nets[1]


def test_a_revision_is_told_by_explain(folder: DataFolder) -> None:
    with service(folder) as running:
        running.receive(chat(1, 2, "acme"))
        running.receive(LARGER, after_ns=HOUR_NS)
    document = json.loads(spanledger("explain", "--data", folder.path, f"{2:016x}", "--format", "json").out)
    assert [(entry["kind"], entry["cost_usd"]) for entry in document["history"]] == [
        ("charge", CHAT_USD),
        ("reversal", f"-{CHAT_USD}"),
        ("charge", "0.00051"),
    ]
    assert {entry["reason"].partition(":")[0] for entry in document["history"][1:]} == {"revised"}
