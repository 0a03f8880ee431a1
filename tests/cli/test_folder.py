"""The data folder: one writer, a secret of its own, and a server that can be found."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from spanledger.cli.errors import UserError
from spanledger.cli.folder import DataFolder, FolderBusy, ServerInfo


def test_a_second_writer_is_told_who_has_it(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with folder.writing():
        with pytest.raises(FolderBusy, match="another spanledger process"), DataFolder(tmp_path).writing():
            pass
        folder.announce(ServerInfo(17, "127.0.0.1:4317", "127.0.0.1:4318"))
        with pytest.raises(FolderBusy, match=r"a server \(pid 17, gRPC 127\.0\.0\.1:4317"), DataFolder(tmp_path).writing():
            pass
        assert folder.server() == ServerInfo(17, "127.0.0.1:4317", "127.0.0.1:4318")
    with folder.writing():
        pass


def test_what_a_dead_server_said_is_not_believed(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert folder.server() is None
    folder.announce(ServerInfo(17, None, "127.0.0.1:4318"))
    assert folder.server() is None
    folder.withdraw()
    folder.withdraw()


def test_an_inherited_lock_holds_until_the_last_holder_ends(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with folder.writing() as lock:
        kept = os.dup(lock.descriptor)
    assert folder.held()
    os.close(kept)
    assert not folder.held()


def test_the_secret_is_made_once_and_private(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "new")
    folder.create()
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert folder.secret() == folder.secret()
    assert stat.S_IMODE((tmp_path / "new" / "secret").stat().st_mode) == 0o600
    (tmp_path / "new" / "secret").write_bytes(b"short")
    with pytest.raises(UserError, match="damaged"):
        folder.secret()


def test_a_file_is_no_data_folder(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(UserError, match="is a file"):
        DataFolder(tmp_path / "x").create()
