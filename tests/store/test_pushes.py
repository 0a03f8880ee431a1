"""Cursors of what billing systems were told only go on."""

from __future__ import annotations

from pathlib import Path

from spanledger.store.metastore import Metastore
from spanledger.store.pushes import Push, advance_push, begin_push, list_pushes, read_push


def test_a_cursor_goes_on_and_never_back(tmp_path: Path) -> None:
    store = Metastore.open(tmp_path)
    assert read_push(store, "orb|x") is None
    assert begin_push(store, "orb|x", 5) == Push("orb|x", 5, 0, None)
    advance_push(store, Push("orb|x", 9, 3, 100))
    advance_push(store, Push("orb|x", 7, 2, 90))  # a run that was overtaken
    assert list_pushes(store) == [Push("orb|x", 9, 3, 100)]
    store.close()
