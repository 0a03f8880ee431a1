"""Small private files are written whole or not at all, and folders are made from the top."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from spanledger.store.syncing import make_folders, write_private


def test_a_private_file_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for content in (b"first", b"", b"second, and longer"):
        write_private(path, content)
        assert path.read_bytes() == content
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_writer_of_the_same_pid_left_does_not_get_in_the_way(tmp_path: Path) -> None:
    left = tmp_path / f".key.{os.getpid()}"
    left.write_bytes(b"half of something longer than")
    left.chmod(0o644)
    write_private(tmp_path / "key", b"all of it")
    assert (tmp_path / "key").read_bytes() == b"all of it"
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_file_that_cannot_be_written_whole_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_private(path, b"before")
    limited = f"""
import pathlib, resource, signal
from spanledger.store.syncing import write_private
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, {resource.RLIM_INFINITY}))
write_private(pathlib.Path({str(path)!r}), b"x" * 10_000)
"""
    done = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True, check=False)
    assert "File too large" in done.stderr, "the first write took 4,096 bytes and said so"
    assert path.read_bytes() == b"before"


def test_folders_are_made_down_from_the_root_which_must_be_there(tmp_path: Path) -> None:
    make_folders(tmp_path, tmp_path / "a/b/c")
    make_folders(tmp_path, tmp_path / "a/b/d")
    make_folders(tmp_path, tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "c", "d"]


def test_a_folder_that_is_not_there_cannot_hold_a_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_private(tmp_path / "missing/key", b"x")
