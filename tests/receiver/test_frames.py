import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.receiver import frames
from spanledger.receiver.frames import DamagedFrameError, Record

names = st.none() | st.text(max_size=40)
records = st.builds(Record, st.text(max_size=40), names, names, st.integers(-(2**63), 2**63 - 1), st.binary(max_size=200))
positions = st.integers(0, 2**62)


def encode(record: Record, position: int) -> bytes:
    head = frames.head_of(record)
    return frames.outer_of(head, record.request, position) + head + record.request


@given(records, positions, st.binary(max_size=20))
def test_a_frame_comes_back_as_it_was_written(record: Record, position: int, behind: bytes) -> None:
    data = encode(record, position)
    assert frames.decode(memoryview(data + behind), 0, position) == (len(data), record)
    assert frames.frame_bytes(frames.head_of(record), record.request) == len(data)


@given(records, st.data())
def test_any_changed_bit_is_noticed(record: Record, data: st.DataObject) -> None:
    frame = bytearray(encode(record, 77))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DamagedFrameError):
        frames.decode(memoryview(frame), 0, 77)


@given(records, st.data())
def test_any_cut_is_noticed(record: Record, data: st.DataObject) -> None:
    frame = encode(record, 77)
    with pytest.raises(DamagedFrameError):
        frames.decode(memoryview(frame[: data.draw(st.integers(0, len(frame) - 1))]), 0, 77)


def test_a_frame_at_another_position_is_no_frame() -> None:
    frame = encode(Record("acme", None, None, 1, b"request"), 100)
    with pytest.raises(DamagedFrameError, match="checksum"):
        frames.decode(memoryview(frame), 0, 101)


def test_an_absent_text_is_not_an_empty_one() -> None:
    frame = encode(Record("acme", None, "", 1, b""), 0)
    assert frames.decode(memoryview(frame), 0, 0)[1] == Record("acme", None, "", 1, b"")


def test_a_frame_of_another_release_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(frames, "VERSION", 9)
        frame = encode(Record("acme", None, None, 1, b"request"), 0)
    with pytest.raises(DamagedFrameError, match="version 9"):
        frames.decode(memoryview(frame), 0, 0)


def test_a_name_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        frames.head_of(Record("a" * 70_000, None, None, 1, b""))
