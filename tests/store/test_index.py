from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spanledger.enrich.links import link_keys
from spanledger.store import span_rows
from spanledger.store.files import DataFile
from spanledger.store.index import FileIndex, IndexCache, index_table, runs_of, trace_keys
from tests.store.samples import plain, reading

KEYS = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 5), max_size=40)


@given(KEYS, st.sets(st.integers(0, 2**64 - 1) | st.integers(0, 8), max_size=60))
def test_rows_of_finds_exactly_the_rows_a_scan_finds(stored: list[int], wanted: set[int]) -> None:
    rows = runs_of(np.array(stored, np.uint64)).rows_of(np.array(sorted(wanted), np.uint64))
    assert rows.tolist() == [row for row, key in enumerate(stored) if key in wanted]


def test_a_trace_key_is_made_of_both_halves_of_its_id() -> None:
    assert trace_keys(bytes(range(16)) + b"\xff" * 8 + bytes(8)).tolist() == [0x0808080808080808, 2**64 - 1]


def test_ids_of_64_bits_padded_with_zeros_have_keys_of_their_own() -> None:
    ids = [bytes(8) + n.to_bytes(8, "big") for n in range(1, 5)]
    assert trace_keys(b"".join(ids)).tolist() == [1, 2, 3, 4]


def test_the_index_of_a_table_knows_traces_and_links() -> None:
    spans = [plain(1), reading(2), reading(2), reading(3)]
    index = index_table(span_rows.to_table(spans, link_keys))
    assert index.traces.rows_of(np.array([2], np.uint64)).tolist() == [1, 2]
    wanted = np.array([link_keys(spans[3])[0]], np.uint64)
    assert index.links.rows_of(wanted).tolist() == [3]
    assert not len(index.links.rows_of(np.array([7], np.uint64)))


def test_the_cache_drops_the_least_recently_used_and_reads_again() -> None:
    reads: list[str] = []

    def read(_: Path, file: DataFile) -> FileIndex:
        reads.append(file.path)
        empty = runs_of(np.arange(1_000, dtype=np.uint64))
        return FileIndex(empty, runs_of(np.empty(0, np.uint64)))

    files = {name: DataFile(name, "spans", 1, 1, 1, 0, 0, 0, 0, 0) for name in "abc"}
    cache = IndexCache(Path(), bytes_max=40_000, read=read)  # two of 17,000 bytes fit
    for name in "abacab":
        cache.get(files[name])
    assert reads == ["a", "b", "c", "b"]
    assert cache.size <= 40_000
    cache.keep({"b"})
    assert cache.size == cache.get(files["b"]).size
    cache.keep(set())
    assert cache.size == 0
