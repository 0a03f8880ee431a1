"""Turns whatever went wrong into one line that says what to do, and an exit code: the one place where that is decided."""

from __future__ import annotations

import os
import re
import sys

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_FINDINGS = 3

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
_LINE_MAX = 600
_METASTORE_ERRORS = ("DatabaseError", "OperationalError")
"""SQLite's for a damaged, locked or full file; its others are mistakes of ours. By name: most commands need no SQLite, nor load it."""


class UserError(Exception):
    """Something the person at the keyboard can put right; the message says what is wrong and what to do."""

    exit_code = EXIT_FAILURE


class UsageMistake(UserError):  # noqa: N818 - whose mistake it is, is the point of the name
    """The command line or the configuration asks for something that does not exist."""

    exit_code = EXIT_USAGE


def debug_wanted() -> bool:
    """Whether SPANLEDGER_DEBUG asks for tracebacks."""
    return os.environ.get("SPANLEDGER_DEBUG", "") not in {"", "0"}


def one_line(text: str) -> str:
    """The text on one line, without control characters (a hostile name must not move the cursor), and bounded."""
    line = _CONTROL.sub(" ", text).strip()
    return line if len(line) <= _LINE_MAX else line[:_LINE_MAX] + " …"


def describe(error: BaseException) -> tuple[str, int]:
    """What to print for an exception, and with which code to exit."""
    if isinstance(error, UserError):
        return one_line(str(error)), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", 130
    if isinstance(error, OSError):
        return _describe_os_error(error), EXIT_FAILURE
    module = type(error).__module__ or ""
    if module.startswith("spanledger.") and isinstance(error, Exception):
        return one_line(str(error) or type(error).__name__), EXIT_FAILURE
    if module.split(".")[0].strip("_") == "duckdb":
        return one_line(f"the query failed: {error}"), EXIT_FAILURE
    kind = type(error).__name__
    if module == "sqlite3" and kind in _METASTORE_ERRORS:
        return one_line(f"the metastore (meta.sqlite) cannot be used: {error}; `spanledger verify` says what is sound"), EXIT_FAILURE
    return one_line(f"internal error: {kind}: {error}; SPANLEDGER_DEBUG=1 shows where"), EXIT_FAILURE


def _describe_os_error(error: OSError) -> str:
    """An operating system error as «what: where», with a hint where the remedy is always the same."""
    what = error.strerror or str(error) or type(error).__name__
    where = f": {os.fsdecode(error.filename)}" if isinstance(error.filename, (str, bytes)) else ""
    hints = {
        "PermissionError": "; give this user access, or choose another folder with --data",
        "FileNotFoundError": "; check the path",
        "NotADirectoryError": "; a folder is needed here",
    }
    return one_line(f"{what}{where}{hints.get(type(error).__name__, '')}")


def complain(message: str) -> None:
    """Print one line on stderr, quietly when stderr is gone."""
    try:
        print(f"spanledger: {message}", file=sys.stderr, flush=True)  # noqa: T201 - this is the CLI's own error line
    except OSError:  # the reader of stderr has left; the exit code still tells
        return
