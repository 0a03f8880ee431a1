"""Sets, lists and imports tenants' dated attributes in a data folder."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spanledger.cli.access import viewer
from spanledger.cli.errors import UsageMistake, UserError
from spanledger.cli.folder import DataFolder
from spanledger.cli.times import utc_text
from spanledger.store.errors import StoreError
from spanledger.store.tenants import ALWAYS_NS, ENDLESS_NS, Change, TenantFact, Tenants
from spanledger.store.times import parse_time

COLUMNS = ("tenant", "attribute", "value", "from", "until", "account")
_NEEDED = ("tenant", "attribute", "value")


@contextmanager
def _tenants(data: Path) -> Iterator[Tenants]:
    tenants = Tenants.open(data)
    try:
        yield tenants
    finally:
        tenants.close()


def set_attributes(data: Path, tenant: str, pairs: Sequence[str], since: str | None, until: str | None, account: str) -> int:
    """Set NAME=VALUE pairs; how many. The data folder is made if it is not there yet."""
    now_ns = time.time_ns()
    changes = []
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise UsageMistake(f"write NAME=VALUE, as plan=pro; {pair!r} has no =")
        given = {"tenant": tenant, "attribute": name, "value": value, "from": since, "until": until, "account": account}
        changes.append(_change(given, now_ns))
    DataFolder(data).create()
    with _tenants(data) as tenants:
        return tenants.change(changes, now_ns)


def fact_rows(data: Path, tenant: str | None) -> list[Sequence[Any]]:
    """Every attribute with its time; open ends are empty."""
    with _tenants(data) as tenants:
        return [_row(fact) for fact in tenants.facts(tenant, viewer=viewer())]


def _row(fact: TenantFact) -> Sequence[Any]:
    start = None if fact.from_ns == ALWAYS_NS else utc_text(fact.from_ns)
    end = None if fact.until_ns == ENDLESS_NS else utc_text(fact.until_ns)
    return fact.tenant, fact.attribute, fact.value, start, end, fact.authority


def import_attributes(data: Path, file: Path) -> int:
    """Set what a CSV file says, all or nothing; how many lines there were."""
    now_ns = time.time_ns()
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            changes = list(_changes(csv.DictReader(lines), file, now_ns))
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 text") from error
    except csv.Error as error:
        raise UserError(f"{file} is not CSV: {error}") from error
    DataFolder(data).create()
    with _tenants(data) as tenants:
        return tenants.change(changes, now_ns)


def _changes(rows: csv.DictReader[str], file: Path, now_ns: int) -> Iterator[Change]:
    names = rows.fieldnames or ()
    if missing := [name for name in _NEEDED if name not in names]:
        raise UserError(f"{file} has no column {', '.join(missing)}; there are {', '.join(names) or 'none'}")
    if unknown := [name for name in names if name not in COLUMNS]:
        raise UserError(f"{file} has a column {unknown[0]!r}; there can be {', '.join(COLUMNS)}")
    for row in rows:
        try:
            # A file says all it means: without a date a value held always, and a row does not depend on those before it.
            yield _change({**row, "from": row.get("from") or None}, now_ns, from_ns=ALWAYS_NS)
        except StoreError as error:
            raise UserError(f"{file} line {rows.line_num}: {error}") from error


def _change(given: dict[str, str | None], now_ns: int, *, from_ns: int | None = None) -> Change:
    start, end = given.get("from"), given.get("until")
    return Change(
        given["tenant"] or "",
        given["attribute"] or "",
        given["value"] or None,
        parse_time(start, now_ns) if start else from_ns,
        parse_time(end, now_ns) if end else ENDLESS_NS,
        given.get("account") or "default",
    )
