from pathlib import Path

import pytest

from spanledger.receiver.durable import DurablePublisher, DurableView, JournalLockedError


def test_what_is_published_is_seen_at_once(tmp_path: Path) -> None:
    with DurablePublisher(tmp_path) as publisher, DurableView(tmp_path) as view:
        assert view.position == 0
        for position in (1, 2**32 + 5, 2**63 - 1):
            publisher.publish(position)
            assert view.position == publisher.position == position
    with DurablePublisher(tmp_path) as publisher:
        assert publisher.position == 2**63 - 1


def test_a_view_needs_a_whole_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        DurableView(tmp_path)
    (tmp_path / "durable").write_bytes(b"half")
    with pytest.raises(FileNotFoundError):
        DurableView(tmp_path)


def test_the_publisher_is_the_lock(tmp_path: Path) -> None:
    with DurablePublisher(tmp_path):
        with pytest.raises(JournalLockedError):
            DurablePublisher(tmp_path)
        DurableView(tmp_path).close()
    DurablePublisher(tmp_path).close()


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    (tmp_path / "durable").symlink_to(target)
    with pytest.raises(OSError, match="symbolic"):
        DurablePublisher(tmp_path)
    assert target.read_bytes() == b"precious"
