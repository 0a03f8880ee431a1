"""Proofs that one entry is in the ledger: the row, and hashes from it to a signed checkpoint. Whoever has a proof and the checkpoint
needs no ledger and no trust in who keeps it, and learns nothing of other payers but hashes.

`prove` makes one from a ledger, `verify_proof` checks it; docs/proof.md says what is hashed how.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from spanledger.enrich.money import text_from_atto
from spanledger.store import merkle
from spanledger.store.canonical import leaf_hashes
from spanledger.store.chain import Head, read_head, read_record, with_all_columns
from spanledger.store.chain_records import ChainRecord, parse_core
from spanledger.store.checkpoints import Checkpoint
from spanledger.store.errors import ChainError, QueryError, RowError
from spanledger.store.ledger import Ledger
from spanledger.store.log_tree import LogTree
from spanledger.store.metastore import Metastore
from spanledger.store.plain_row import row_bytes
from spanledger.store.row_versions import ROW_VERSIONS
from spanledger.store.seal import Payer, PayerRoot, batch_roots, payer_codes

FORMAT: Final = "spanledger proof 1"
_KEYS: Final = {"format", "row", "payer", "batch", "record", "log"}


class Verdict(NamedTuple):
    """A proof that holds: the row that is in the ledger, and where. `payer_rows` is how many entries the payer has in the same commit."""

    row: Mapping[str, Any]
    ledger: str
    record: int
    payer: Payer
    payer_rows: int
    size: int


class Place(NamedTuple):
    """Where an entry stands in the chain."""

    record: int
    commit: int
    first: int
    last: int


def place_of(store: Metastore, entry_number: int) -> Place:
    """The chain record of an entry. Raises ChainError where there is none."""
    head = _head(store)
    start = head.commit - (head.size - 1)
    row = store.connection.execute(
        "SELECT number, entries_total FROM commits WHERE entries_total >= ? ORDER BY number LIMIT 1", (entry_number,)
    ).fetchone()
    if row is None:
        raise ChainError(f"entry {entry_number} is in no commit")
    number = max(int(row[0]), start)
    last = row[1] if number == row[0] else _total(store, number)
    return Place(number - start, number, 1 if number == start else _total(store, number - 1) + 1, last)


def _total(store: Metastore, number: int) -> int:
    row = store.connection.execute("SELECT entries_total FROM commits WHERE number = ?", (number,)).fetchone()
    return 0 if row is None else int(row[0])


def _head(store: Metastore) -> Head:
    head = read_head(store.connection)
    if head is None:
        raise ChainError("this ledger has no hash chain yet: it gets one when it is next written to")
    return head


def prove(ledger: Ledger, event_id: str, checkpoint: Checkpoint) -> dict[str, Any]:
    """The proof of an entry towards a checkpoint. `event_id` is in hex. Raises QueryError for an unknown entry, ChainError for one that
    the checkpoint does not cover, or if the chain is damaged.
    """
    number = _entry_number(ledger, event_id)
    place = place_of(ledger.metastore, number)
    if checkpoint.ledger != _head(ledger.metastore).ledger:
        raise ChainError("this checkpoint is one of another ledger")
    if place.record >= checkpoint.size:
        raise ChainError(f"the entry was booked after this checkpoint: it is in record {place.record}, and there were {checkpoint.size}")
    record = read_record(ledger.data_dir, place.record)
    table = _rows(ledger, place)
    version = record.core.row_version
    leaves = b"".join([b"".join(batch) for batch in leaf_hashes(table, version)])
    codes, payers = payer_codes(table)
    index = number - place.first
    mine = np.flatnonzero(codes == codes[index])
    own = [leaves[at * 32 : at * 32 + 32] for at in mine.tolist()]
    roots = batch_roots(leaves, codes, payers)
    at = next(i for i, each in enumerate(roots) if each.payer == payers[codes[index]])
    if merkle.root([each.leaf for each in roots]) != record.core.batch:
        raise ChainError(f"the entries of commit {place.commit} are not those that were booked; run `spanledger verify --full`")
    tree = LogTree(ledger.data_dir, ledger.metastore.connection, checkpoint.size)
    if tree.root != checkpoint.root:
        raise ChainError("the chain is not the one that this checkpoint was made of; run `spanledger verify`")
    position = int(np.searchsorted(mine, index))
    return {
        "format": FORMAT,
        "row": plain_row(table.slice(index, 1).to_pylist()[0], version),
        "payer": {"rows": len(own), "index": position, "path": _hex(merkle.inclusion_path(own, position))},
        "batch": {"size": len(roots), "index": at, "path": _hex(merkle.inclusion_path([each.leaf for each in roots], at))},
        "record": _record_text(record),
        "log": {"size": checkpoint.size, "path": _hex(tree.inclusion(place.record))},
    }


def _record_text(record: ChainRecord) -> str:
    return record.core_bytes.decode("ascii")


def _hex(hashes: list[bytes]) -> list[str]:
    return [each.hex() for each in hashes]


def _entry_number(ledger: Ledger, event_id: str) -> int:
    """The number of the entry with this id, or with the one id that begins so."""
    from spanledger.store.query import snapshot  # DuckDB is not needed to check a proof

    text = event_id.strip().lower()
    if not text or any(character not in "0123456789abcdef" for character in text):
        raise QueryError(f"{event_id!r} is no event id: those are in hex, see `spanledger events --all --format jsonl`")
    with snapshot(ledger) as connection:
        sql = "SELECT entry_number, lower(hex(event_id)) FROM entries WHERE starts_with(lower(hex(event_id)), ?) LIMIT 2"
        found = connection.execute(sql, [text]).fetchall()
    if len(found) != 1:
        raise QueryError(f"{'more than one event id begins' if found else 'no entry has an event id that begins'} with {event_id!r}")
    return int(found[0][0])


def _rows(ledger: Ledger, place: Place) -> Any:
    """The entries of a commit in the order of booking, from whatever files they lie in."""
    import pyarrow as pa  # here, not above: checking a proof needs no Arrow
    import pyarrow.compute as pc  # as above
    import pyarrow.parquet as pq  # as above

    parts = []
    for file in ledger.metastore.live_files("events"):
        with pq.ParquetFile(ledger.data_dir / file.path) as parquet:
            for group in range(parquet.num_row_groups):
                if _may_hold(parquet.metadata.row_group(group), place):
                    table = parquet.read_row_group(group)
                    numbers = table.column("entry_number")
                    inside = pc.and_(pc.greater_equal(numbers, place.first), pc.less_equal(numbers, place.last))
                    parts.append(with_all_columns(table.filter(inside)))
    parts = [part.select(parts[0].column_names) for part in parts]
    table = pa.concat_tables(parts).sort_by("entry_number") if parts else None
    if table is None or table.column("entry_number").to_pylist() != [*range(place.first, place.last + 1)]:
        raise ChainError(f"entries of commit {place.commit} are missing; run `spanledger verify --full`")
    return table


def _may_hold(group: Any, place: Place) -> bool:
    """Whether a row group's statistics leave room for one of these entries."""
    for index in range(group.num_columns):
        column = group.column(index)
        if column.path_in_schema == "entry_number":
            said = column.statistics
            return not (said is not None and said.has_min_max and (said.max < place.first or said.min > place.last))
    return True


def plain_row(values: Mapping[str, Any], version: int) -> dict[str, Any]:
    """A row as a proof shows it: ids in hex, money as decimal text, everything else as JSON has it."""
    return {name: _plain(values[name], kind) for name, kind in ROW_VERSIONS[version].columns}


def _plain(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind in ("id16", "id8"):
        return bytes(value).hex()
    if kind == "money":
        return text_from_atto(_atto(value))
    if kind == "lines":
        return [{**item, "cost_usd": _plain(item["cost_usd"], "money")} for item in value]
    return value


def _atto(value: Decimal) -> int:
    """A DECIMAL(38,18) as the integer it is, without the context's rounding."""
    sign, digits, exponent = value.as_tuple()
    if exponent != -18:
        raise RowError(f"an amount has {exponent} for its exponent, where the schema has -18")
    return int("".join(map(str, digits))) * (-1 if sign else 1)


def proof_text(proof: Mapping[str, Any]) -> str:
    """A proof as it is written to a file."""
    return json.dumps(proof, indent=1, ensure_ascii=True) + "\n"


def read_proof(path: Path) -> dict[str, Any]:
    """A proof from its file. Raises ChainError."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ChainError(f"{path} is no proof of spanledger") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ChainError(f"{path} is no proof of spanledger")
    return found


def verify_proof(proof: Mapping[str, Any], checkpoint: Checkpoint) -> Verdict:
    """Check that a proof leads from its row to the checkpoint. Needs no ledger. Raises ChainError that says where it fails."""
    try:
        return _verify(proof, checkpoint)
    except RowError as error:
        raise ChainError(f"the row of the proof is not one: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ChainError(f"the proof is damaged ({type(error).__name__})") from error


def _verify(proof: Mapping[str, Any], checkpoint: Checkpoint) -> Verdict:
    if proof.keys() != _KEYS or proof["format"] != FORMAT:
        raise ChainError("this is no proof of spanledger")
    core_bytes = proof["record"].encode("ascii")
    core = parse_core(core_bytes)
    row, own, batch, log = proof["row"], proof["payer"], proof["batch"], proof["log"]
    if core.ledger != checkpoint.ledger:
        raise ChainError(f"the proof is of ledger {core.ledger}, the checkpoint of {checkpoint.ledger}")
    if log["size"] != checkpoint.size:
        raise ChainError(f"the proof leads to a checkpoint of {log['size']} records, this one has {checkpoint.size}")
    payer = (row["authority"], row["tenant_id"])
    leaf = merkle.leaf_hash(row_bytes(row, core.row_version))
    payer_root = merkle.root_from_inclusion(leaf, own["index"], own["rows"], _hashes(own["path"]))
    batch_leaf = PayerRoot(payer, own["rows"], payer_root).leaf
    if merkle.root_from_inclusion(batch_leaf, batch["index"], batch["size"], _hashes(batch["path"])) != core.batch:
        raise ChainError("the row is not in the record: it, or the way from it, was changed")
    root = merkle.root_from_inclusion(merkle.leaf_hash(core_bytes), core.seq, checkpoint.size, _hashes(log["path"]))
    if root != checkpoint.root:
        raise ChainError("the record is not in the log that the checkpoint was made of")
    return Verdict(row, core.ledger, core.seq, payer, own["rows"], checkpoint.size)


def _hashes(path: list[str]) -> list[bytes]:
    found = [bytes.fromhex(each) for each in path]
    if any(len(each) != merkle.HASH_BYTES for each in found):
        raise ChainError("the proof is damaged")
    return found
