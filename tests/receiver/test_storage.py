import os
from pathlib import Path

import pytest

from spanledger.receiver.storage import OsStorage


def test_all_parts_are_written_however_little_the_system_takes_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.writev
    monkeypatch.setattr(os, "writev", lambda descriptor, views: real(descriptor, [views[0][:7]]))
    storage, path = OsStorage(), tmp_path / "file"
    descriptor = storage.create(path)
    parts = [b"a" * 20, b"", b"b" * 7, b"c"]
    storage.write(descriptor, parts)
    storage.sync(descriptor)
    os.close(descriptor)
    assert path.read_bytes() == b"".join(parts)
    assert path.stat().st_mode & 0o777 == 0o600


def test_creating_never_takes_over_a_file_or_a_link(tmp_path: Path) -> None:
    storage = OsStorage()
    (tmp_path / "there").write_bytes(b"precious")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("there", "link"):
        with pytest.raises(FileExistsError):
            storage.create(tmp_path / name)
    with pytest.raises(OSError, match="symbolic"):
        storage.open_append(tmp_path / "link")


def test_renaming_truncating_and_removing(tmp_path: Path) -> None:
    storage = OsStorage()
    (tmp_path / "a").write_bytes(b"12345")
    storage.truncate(tmp_path / "a", 3)
    storage.rename(tmp_path / "a", tmp_path / "b")
    storage.sync_directory(tmp_path)
    assert (tmp_path / "b").read_bytes() == b"123"
    storage.unlink(tmp_path / "b")
    assert list(tmp_path.iterdir()) == []
