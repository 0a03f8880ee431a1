"""`verify --deep`: the archive held against its own digests, and the ledger against what the archived requests come to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from spanledger.cli.config import load_config
from spanledger.cli.folder import DataFolder
from spanledger.cli.recomputing import Recomputed, recompute
from spanledger.receiver.archive_check import check_archive
from spanledger.receiver.journal import JournalCorruptError
from spanledger.store.findings import Finding, Findings
from spanledger.store.ledger import Ledger
from spanledger.store.query import snapshot


class Deep(NamedTuple):
    """What a deep verification found, and what it says of its reach, a line each."""

    findings: tuple[Finding, ...]
    findings_total: int
    notes: tuple[str, ...]


def verify_deep(data: Path, config_path: Path | None) -> Deep:
    """Read the archive, settle and price its requests anew by the configured rules, and compare."""
    folder, findings = DataFolder(data), Findings()
    state = check_archive(folder.archive, folder.journal)
    for fault in state.faults:
        findings.add(f"archive/{fault.file}", fault.what)
    notes = [f"archive: {state.segments:,} segments with {state.records:,} requests, list {state.head}"]
    try:
        found = recompute(folder, load_config(config_path).config)
    except JournalCorruptError as error:
        if not findings.total:
            findings.add("archive and journal", str(error))
        notes.append("the requests were not settled anew, because not all of them can be read")
        return Deep(tuple(findings.kept), findings.total, tuple(notes))
    for mismatch in found.mismatches:
        if not mismatch.other_rules:
            where = f"charge {mismatch.trace_id}:{mismatch.span_id}:{mismatch.split_index} of {mismatch.authority}"
            names = ", ".join(name for name, _, _ in mismatch.fields)
            booked, requests = ("; ".join(each[n] for each in mismatch.fields) for n in (1, 2))
            findings.add(where, f"{mismatch.what}{': ' * bool(names)}{names}", requests, booked)
    findings.total += found.mismatched - found.other_rules_mismatched - sum(not each.other_rules for each in found.mismatches)
    notes += _reach(found)
    gone, kept = _charges(data, found)
    if gone:
        notes.append(f"not compared: {gone:,} charges of requests that are no longer kept")
    if kept > found.charges and not (found.incomplete or found.still_open):  # else they may be those of these traces
        findings.add("charges", "come from none of the requests that are kept", found.charges, kept)
    return Deep(tuple(findings.kept), findings.total, tuple(notes))


def _charges(data: Path, found: Recomputed) -> tuple[int, int]:
    """How many charges stand whose requests are no longer kept, and how many whose requests must be among those that were read.

    What a commitment owes comes from no request.
    """
    with Ledger.open(data, read_only=True) as ledger, snapshot(ledger) as connection:
        asked = (
            "SELECT coalesce(sum(net) FILTER (WHERE position < $earliest), 0), coalesce(sum(net) FILTER (WHERE position >= $earliest), 0)"
            " FROM (SELECT position, CASE kind WHEN 'charge' THEN 1 WHEN 'reversal' THEN -1 ELSE 0 END AS net"
            " FROM entries WHERE dialect <> 'terms' AND position < $end)"
        )
        gone, kept = connection.execute(asked, {"earliest": found.reach.earliest, "end": found.reach.end}).fetchone() or (0, 0)
    return int(gone), int(kept)


def _reach(found: Recomputed) -> Iterator[str]:
    yield f"settled anew: {found.read.requests:,} requests, {found.traces:,} traces, {found.charges:,} charges compared"
    if found.incomplete or found.still_open:
        yield f"not compared: {found.incomplete:,} traces that are not whole in the archive, {found.still_open:,} not settled yet"
    if found.rulesets or found.releases:
        booked = sum(found.rulesets.values())
        yield (
            f"{booked:,} charges were booked by other rules than --config gives ({', '.join(sorted(found.rulesets)) or 'none'}) and "
            f"{sum(found.releases.values()):,} by other releases; {found.other_rules_mismatched:,} of them differ, which need be no damage"
        )
    if found.unknown_prices:
        yield f"{sum(found.unknown_prices.values()):,} charges were priced by books that are not on record; their counts were compared"
