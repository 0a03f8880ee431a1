"""Log lines on stderr, as text for people or JSON for machines, one line each whatever is in them.

An exception may quote what a sender sent (a key that is missing, a value that does not fit), so only its kind and place are told, and
its words where we know them: ours, the system's and the metastore's.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import PurePath

from spanledger.cli.errors import debug_wanted, one_line


class LogFormat(StrEnum):
    """How log lines are written."""

    text = "text"
    json = "json"


_ABOUT = ("request", "journal_position")
"""What a line may be about, as a field of its own: the id that a sender was told, or where in the journal a request lies. Both are ours."""


def fault(error: BaseException) -> str:
    """An exception as a log line may have it: its kind, and its words where they cannot be a sender's; else where in the program it was
    raised. With SPANLEDGER_DEBUG the way there is told as well."""
    kind = type(error).__name__
    calls = [f"{PurePath(call.filename).name}:{call.lineno}" for call in traceback.extract_tb(error.__traceback__)]
    way = f" by {' > '.join(calls)}" if calls and debug_wanted() else ""
    module = (type(error).__module__ or "").split(".")[0]
    if module in {"spanledger", "sqlite3"}:
        return f"{kind}: {one_line(str(error))}{way}"
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if isinstance(error.filename, str) else ""  # a file's name is none of a sender's words
        return f"{kind}: {one_line(error.strerror + where)}{way}"
    return f"{kind}{way}" if way or not calls else f"{kind} at {calls[-1]}"


class _Formatter(logging.Formatter):
    def __init__(self, kind: LogFormat, process: str) -> None:
        super().__init__()
        self._kind = kind
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        message = one_line(record.getMessage())
        if record.exc_info and record.exc_info[1] is not None:
            message += f": {fault(record.exc_info[1])}"
        about = {name: getattr(record, name) for name in _ABOUT if hasattr(record, name)}
        if self._kind is LogFormat.json:
            fields = {"time": when, "level": record.levelname.lower(), "process": self._process, "logger": record.name, "message": message}
            return json.dumps(fields | about)
        return f"{when} {record.levelname.lower():<8} {self._process:<8} {message}" + "".join(f" {name}={about[name]}" for name in about)


def start_logging(kind: LogFormat, process: str, level: int = logging.INFO) -> None:
    """Send every log line of this process to stderr; libraries only when they warn."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(kind, process))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("spanledger").setLevel(level)
    logging.captureWarnings(capture=True)
