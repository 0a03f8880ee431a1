"""`doctor`: asks the ledger, the quarantine and the journal what is missing from the bill."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from spanledger.cli.access import open_ledger, sees_folder
from spanledger.cli.errors import EXIT_FINDINGS, UsageMistake
from spanledger.cli.findings import BEHIND_FIX, CHECKS, FLAGGED_FIX, NAMES, QUARANTINED, QUARANTINED_FIX
from spanledger.cli.folder import DataFolder
from spanledger.cli.options import Format
from spanledger.cli.quarantine import read_quarantine
from spanledger.cli.render import write_rows
from spanledger.receiver.durable import DurableView
from spanledger.store.conditions import conditions
from spanledger.store.entries import standing
from spanledger.store.ledger import Ledger
from spanledger.store.query import Range, snapshot
from spanledger.store.times import parse_moment, parse_window

_ABOUT_MAX = 20


class Finding(NamedTuple):
    """One row: what is wrong, how often, with what, an id to explain, and what to do."""

    finding: str
    number: int
    about: str | None
    example: str | None
    fix: str


def examine(data: Path, since: str | None, until: str | None, fail_on: str | None, output: Format, *, as_of: str | None = None) -> int:
    """Print all findings; the exit code is 3 if one of `fail_on` is among them."""
    wanted = {name.strip() for name in fail_on.split(",")} if fail_on else set()
    if unknown := wanted - set(NAMES):
        raise UsageMistake(f"--fail-on knows no {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    now_ns = time.time_ns()
    found = findings(DataFolder(data), parse_window(since, until, now_ns), parse_moment(as_of, now_ns))
    if found or output is not Format.table:
        write_rows(Finding._fields, found, output)
    else:
        import sys

        sys.stdout.write("everything received is metered, priced and attributed\n")
    return EXIT_FINDINGS if wanted & {finding.finding for finding in found} else 0


def findings(folder: DataFolder, window: Range, as_of_ns: int | None = None) -> list[Finding]:
    """Everything there is to say about a window of the ledger, and about the folder as a whole; as it stood at a time, if asked."""
    with open_ledger(folder.path) as ledger:
        found = _of_entries(ledger, window, as_of_ns)
        position = ledger.position
    if not sees_folder():
        return found
    quarantined = [row for row in read_quarantine(folder.quarantine) if as_of_ns is None or row["received_ns"] <= as_of_ns]
    codes = Counter(row["code"] for row in quarantined)
    found += [Finding("quarantined", count, _coded(code), None, QUARANTINED_FIX) for code, count in codes.most_common(_ABOUT_MAX)]
    return found + (_behind(folder, position) if as_of_ns is None else [])


def _coded(code: str) -> str:
    return f"{code}: {QUARANTINED[code]}" if code in QUARANTINED else code


def _of_entries(ledger: Ledger, window: Range, as_of_ns: int | None) -> list[Finding]:
    where = conditions(window, as_of_ns=as_of_ns)
    found: list[Finding] = []
    with snapshot(ledger, window) as connection:
        current = standing(connection, f"(SELECT * FROM entries WHERE {where.sql})")  # noqa: S608 - allow-listed names, bound values

        def rows(condition: str, about: str, together: str = "''") -> list[Any]:
            query = (
                f"SELECT {about} AS about, count(*), lower(hex(min(span_id))), {together} FROM ({current}) WHERE {condition}"  # noqa: S608 - as above
                f" GROUP BY about ORDER BY count(*) DESC, about LIMIT {_ABOUT_MAX}"
            )
            return connection.execute(query, where.values).fetchall()

        for check in CHECKS:
            for about, count, example, together in rows(check.where, check.about, check.together):
                found.append(Finding(check.name, count, f"{about}{together}" if about else about, example, check.fix))
        flagged = rows("len(flags) > 0", "unnest(flags)")
        return found + [Finding("flagged", count, flag, example, FLAGGED_FIX) for flag, count, example, _ in flagged]


def _behind(folder: DataFolder, position: int) -> list[Finding]:
    """Whether the journal holds more than the ledger while nobody is working on it."""
    try:
        with DurableView(folder.journal) as view:
            left = view.position - position
    except FileNotFoundError:
        return []
    if left <= 0 or folder.held():
        return []
    return [Finding("behind", left, "bytes of the journal", None, BEHIND_FIX)]
