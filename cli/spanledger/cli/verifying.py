"""`verify`, `prove` and `verify-proof`: the store's verification as people and scripts ask for it."""

from __future__ import annotations

import base64
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from spanledger.cli.access import open_ledger
from spanledger.cli.archive_anchor import check_archive_list
from spanledger.cli.errors import EXIT_FAILURE, UserError
from spanledger.cli.options import Format
from spanledger.cli.render import to_json, visible, write_rows
from spanledger.enrich.money import text_from_atto
from spanledger.store.checkpoints import Checkpoint, kept, read_note
from spanledger.store.errors import ChainError
from spanledger.store.findings import Finding
from spanledger.store.proofs import Verdict, proof_text, prove, read_proof, verify_proof
from spanledger.store.verify import Progress, Verified, verify


def checkpoint_of(path: Path, key: str | None) -> Checkpoint:
    """The checkpoint in a file, its signature checked by `key` (a verifier key, or a file with one), or by the key it names."""
    try:
        return read_note(path.read_text("utf-8"), trusted_key(key))
    except (ChainError, UnicodeDecodeError) as error:
        why = "this is no signed checkpoint" if isinstance(error, UnicodeDecodeError) else error
        raise UserError(f"{path}: {why}") from error


def trusted_key(key: str | None) -> str | None:
    """A verifier key as given on the command line: itself, or the name of a file with it."""
    if key is None or "+" in key:
        return key
    return Path(key).read_text("utf-8").strip()


def verify_folder(
    data: Path, *, full: bool, deep: bool, checkpoints: Sequence[Path], key: str | None, output: Format, config: Path | None = None
) -> int:
    """Verify a data folder, write what was found, and give the exit code. `deep` goes by the rules of `config`."""
    given = [checkpoint_of(path, key) for path in checkpoints]
    with _progress() as progress:
        found = verify(data, full=full, checkpoints=given, trusted_key=trusted_key(key), progress=progress)
    archived = [*check_archive_list(data, [*given, *_kept(data)])]
    found = found._replace(findings=(*found.findings, *archived), findings_total=found.findings_total + len(archived))
    if deep:
        from spanledger.cli.deep_verify import verify_deep  # with it comes all that reads spans

        deeper = verify_deep(data, config)
        for note in deeper.notes:
            print(note, file=sys.stderr)  # noqa: T201 - what was read, beside what was found
        found = found._replace(findings=(*found.findings, *deeper.findings), findings_total=found.findings_total + deeper.findings_total)
    _write(found, given, output, is_deep=deep)
    return 0 if found.is_fine else EXIT_FAILURE


def _kept(data: Path) -> Iterator[Checkpoint]:
    """The checkpoints kept in the folder that can be read; of the others verification tells."""
    for path in kept(data):
        with suppress(ChainError, OSError, ValueError):
            yield read_note(path.read_text("utf-8"))


def _write(found: Verified, given: Sequence[Checkpoint], output: Format, *, is_deep: bool) -> None:
    rows = [tuple(finding) for finding in found.findings]
    if output is Format.json:
        summary = {
            "ok": found.is_fine,
            "mode": ("full" if found.is_full else "quick") + " and deep" * is_deep,
            "ledger": found.ledger,
            "records": found.records,
            "root": found.root.hex(),
            "entries": found.entries,
            "files": found.files,
            "checkpoints": found.checkpoints,
            "admin_changes": found.admin_changes,
            "admin_changes_in_chain": found.admin_sealed,
            "sums": {name: text_from_atto(value) for name, value in sorted(found.sums.items())},
            "findings": [dict(zip(Finding._fields, row, strict=True)) for row in rows],
            "findings_total": found.findings_total,
        }
        sys.stdout.write(to_json(summary, indent=2) + "\n")
        return
    if rows or output is not Format.table:
        write_rows(Finding._fields, rows, output)
    for line in _summary(found, given, is_deep=is_deep):
        print(line, file=sys.stdout if output is Format.table else sys.stderr)


def _summary(found: Verified, given: Sequence[Checkpoint], *, is_deep: bool) -> Iterator[str]:
    if not found.is_fine:
        more = f", the first {len(found.findings)} above" if found.findings_total > len(found.findings) else ""
        yield f"NOT verified: {found.findings_total:,} finding{'s' * (found.findings_total != 1)}{more}"
        return
    cost = text_from_atto(found.sums.get("cost_usd", 0))
    read = "every entry read and hashed anew" if found.is_full else "files by their digests; --full reads every entry"
    yield f"verified ({read}): {found.records:,} records, {found.entries:,} entries, {cost} USD, {found.files:,} files"
    if is_deep:
        yield "the archived requests, settled and priced anew, agree as far as they could be compared"
    yield f"ledger {found.ledger}, root {base64.b64encode(found.root).decode()}"
    if found.admin_changes:
        waiting = found.admin_changes - found.admin_sealed
        rest = f"; {waiting:,} of them since the last commit, in the chain with the next" if waiting else ""
        count = f"{found.admin_changes:,} change{'s' * (found.admin_changes != 1)}"
        yield f"{count} of keys, tenants, prices, runs and settings, as logged{rest}"
    if found.checkpoints:
        trusted = sum(checkpoint.is_trusted for checkpoint in given)
        how = f"{trusted} by the key given" if trusted else "signed by keys named in them; give yours with --key"
        yield f"{found.checkpoints:,} {'checkpoints agree' if found.checkpoints != 1 else 'checkpoint agrees'}: {how}"
    if not given:
        yield "no checkpoint from elsewhere was given (--checkpoint): that nothing was cut off or written anew is not shown"


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on stderr, where somebody watches."""
    if not sys.stderr.isatty():
        yield Progress()
        return
    from rich.console import Console
    from rich.progress import Progress as Bars

    with Bars(console=Console(stderr=True), transient=True) as bars:
        tasks: list[Any] = []

        def begin(name: str, whole: int) -> None:
            tasks.append(bars.add_task(name, total=whole or None))

        def step(part: int) -> None:
            bars.advance(tasks[-1], part)

        yield Progress(begin, step)


def prove_event(data: Path, event_id: str, checkpoint: Path | None, out: Path | None) -> None:
    """Write the proof of an entry, towards the checkpoint given or the newest one kept in the folder."""
    chosen = checkpoint or next(reversed(kept(data)), None)
    if chosen is None:
        raise UserError("a proof leads to a checkpoint, and there is none yet: make one with `spanledger checkpoint`")
    with open_ledger(data) as ledger:
        text = proof_text(prove(ledger, event_id, checkpoint_of(chosen, None)))
    if out is None:
        sys.stdout.write(text)
        return
    out.write_text(text, "utf-8")
    print(f"proof written to {out}; it is checked with {chosen}", file=sys.stderr)  # noqa: T201 - what was done


def check_proof(proof: Path, checkpoint: Path, key: str | None, output: Format) -> None:
    """Check a proof and say what it proves; ChainError if it does not."""
    signed = checkpoint_of(checkpoint, key)
    verdict = verify_proof(read_proof(proof), signed)
    if output is not Format.table:
        row = {name: visible(value) if isinstance(value, str) else value for name, value in verdict.row.items()}
        write_rows([*row], [[*row.values()]], output)
        return
    for line in _verdict(verdict, signed):
        sys.stdout.write(visible(line) + "\n")


def _verdict(verdict: Verdict, signed: Checkpoint) -> Iterator[str]:
    row = verdict.row
    cost = "no price" if row["cost_usd"] is None else f"{row['cost_usd']} USD"
    yield f"proved: {row['kind']} {row['event_id']} of tenant {row['tenant_id'] or '(none)'}, {cost}, is entry {row['entry_number']}"
    yield f"ledger {verdict.ledger}, record {verdict.record} of {verdict.size}, one of {verdict.payer_rows} entries of this payer in it"
    booked = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row["booked_ns"] // 1_000_000_000))
    yield f"booked {booked}; the checkpoint is of {signed.facts.get('time', 'an unknown time')}"
    yield "signed by the key given" if signed.is_trusted else f"signed by {signed.key}; compare this key with one you trust (--key)"
