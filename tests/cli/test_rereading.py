"""Which requests a window needs, and what pruning has taken of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from spanledger.cli.folder import DataFolder
from spanledger.cli.rereading import PrunedTexts, Reach, reach_of
from spanledger.enrich.kept import Kept
from spanledger.receiver.prune import Pruner
from spanledger.store.ledger import Ledger
from tests.cli.otlp import NOW_NS, SECOND_NS, as_protobuf, chat, span
from tests.cli.test_replay_report import ingest

DAY_NS = 86_400 * SECOND_NS
NOTHING_KEPT = Kept(frozenset(), {}, frozenset(), frozenset(), frozenset())


def test_pruned_texts_are_counted_by_key_whatever_its_length() -> None:
    keys = [f"{'k' * (length - 2)}.x" for length in range(3, 40)]
    said = {key: f"text of {key}" for key in keys} | {"other": "text", "ten.bytes.": "t"}
    pruned = Pruner(NOTHING_KEPT, b"secret" * 6).prune(as_protobuf(span(1, 1, said), span(1, 2, {keys[0]: "again"})))
    counted = PrunedTexts(NOTHING_KEPT._replace(text_keys=frozenset([*keys, "ten.bytes."])))
    counted.look_at(pruned)
    assert counted.found == Counter(keys) + Counter([keys[0], "ten.bytes."])


def test_texts_that_were_kept_are_not_counted() -> None:
    kept = NOTHING_KEPT._replace(text_keys=frozenset({"tenant.id"}))
    counted = PrunedTexts(kept)
    counted.look_at(Pruner(kept, b"secret" * 6).prune(as_protobuf(span(1, 1, {"tenant.id": "acme", "note": "pruned: not by us"}))))
    assert counted.found == Counter()


def reach(data: Path, since: int | None, until: int | None) -> Reach:
    with Ledger.open(data, read_only=True) as ledger:
        return reach_of(DataFolder(data), ledger, (since, until))


def test_without_a_window_everything_is_read(tmp_path: Path) -> None:
    data = ingest(tmp_path, chat(1, 1))
    with Ledger.open(data, read_only=True) as ledger:
        assert reach(data, None, None) == Reach(0, ledger.position, 0)


def test_a_trace_that_reaches_beyond_the_window_is_read_whole(tmp_path: Path) -> None:
    data = ingest(tmp_path, chat(1, 1, start_ns=NOW_NS - 60 * DAY_NS))
    ingest(tmp_path, chat(1, 2))
    found = reach(data, NOW_NS - DAY_NS, None)
    assert found.begin == 0
