"""Every kind of error becomes one line and an exit code."""

from __future__ import annotations

import sqlite3

import pytest

from spanledger.cli.errors import UsageMistake, UserError, describe, one_line
from spanledger.store.errors import StoreError


class _OddError(Exception):
    pass


_METASTORE = "the metastore (meta.sqlite) cannot be used: {}; `spanledger verify` says what is sound"
_DENIED = "Permission denied: /x; give this user access, or choose another folder with --data"


@pytest.mark.parametrize(
    ("error", "said", "code"),
    [
        (UserError("do this"), "do this", 1),
        (UsageMistake("write that"), "write that", 2),
        (StoreError("there is none"), "there is none", 1),
        (KeyboardInterrupt(), "interrupted", 130),
        (PermissionError(13, "Permission denied", "/x"), _DENIED, 1),
        (OSError(28, "No space left on device"), "No space left on device", 1),
        (sqlite3.DatabaseError("file is not a database"), _METASTORE.format("file is not a database"), 1),
        (sqlite3.OperationalError("database is locked"), _METASTORE.format("database is locked"), 1),
        (sqlite3.IntegrityError("x"), "internal error: IntegrityError: x; SPANLEDGER_DEBUG=1 shows where", 1),  # a mistake of ours
        (_OddError("what?\nno"), "internal error: _OddError: what? no; SPANLEDGER_DEBUG=1 shows where", 1),
    ],
)
def test_describe(error: BaseException, said: str, code: int) -> None:
    assert describe(error) == (said, code)


def test_lines_are_bounded_and_harmless() -> None:
    assert one_line("a\x1b[2Jb\u202ec\r\nd") == "a [2Jb c d"
    assert len(one_line("x" * 10_000)) < 700
