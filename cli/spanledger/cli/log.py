"""Log lines on stderr, as text for people or JSON for machines, one line each whatever is in them."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from enum import StrEnum

from spanledger.cli.errors import one_line


class LogFormat(StrEnum):
    """How log lines are written."""

    text = "text"
    json = "json"


_ABOUT = ("request", "journal_position")
"""What a line may be about, as a field of its own: the id that a sender was told, or where in the journal a request lies. Both are ours."""


class _Formatter(logging.Formatter):
    def __init__(self, kind: LogFormat, process: str) -> None:
        super().__init__()
        self._kind = kind
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        message = one_line(record.getMessage())
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            message += f": {one_line(f'{type(error).__name__}: {error}')}"
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
