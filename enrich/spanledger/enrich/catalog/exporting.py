"""A catalog as CSV, TOML or JSON for people and other programs, so complete that importing it makes the same catalog again."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from spanledger.enrich.catalog.load import CatalogError, CatalogFile, pack
from spanledger.enrich.catalog.rows import RANK_NAMES, Entry, Rate, canonical_json, catalog_id, catalog_text

CSV_COLUMNS: Final = (
    *("provider", "model", "unit", "amount", "per", "context", "threshold", "op", "window", "effective_from", "effective_to"),
    *("effective_kind", "minimum", "increment", "source", "verified_on", "match", "rank", "order"),
)
_TOML_RATE: Final = (
    ("context", "context"), ("threshold", "threshold"), ("op", "op"), ("window", "window"), ("effective_from", "from"),
    ("effective_to", "to"), ("effective_kind", "kind"), ("minimum", "minimum"), ("increment", "increment"),
)  # fmt: skip


def csv_text(entries: Iterable[Entry]) -> Iterator[str]:
    """One row a rate, under a header, line by line."""
    yield _csv_line(CSV_COLUMNS)
    for entry in entries:
        rest = (entry.source, entry.verified_on, canonical_json(entry.match), RANK_NAMES[entry.rank], entry.order)
        for rate in sorted(entry.rates):
            context = " ".join(f"{key}={value}" for key, value in rate.context)
            said = (rate.unit, rate.amount, rate.per, context, rate.threshold or "", *rate[5:10], rate.minimum or "", rate.increment or "")
            yield _csv_line((entry.provider, entry.model, *said, *rest))


def _csv_line(values: Iterable[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(values)
    return out.getvalue()


def toml_text(entries: Iterable[Entry]) -> Iterator[str]:
    """One table an entry, line by line."""
    for entry in entries:
        yield "[[entry]]\n"
        yield f"provider = {_quoted(entry.provider)}\n"
        yield f"model = {_quoted(entry.model)}\n"
        yield f"match = {_toml_list(entry.match)}\n"
        yield f'rank = "{RANK_NAMES[entry.rank]}"\n'
        yield f"order = {entry.order}\n"
        yield f"source = {_quoted(entry.source)}\n"
        if entry.verified_on:
            yield f"verified_on = {_quoted(entry.verified_on)}\n"
        yield "rates = [\n"
        yield from (f"  {{ {_toml_rate(rate)} }},\n" for rate in sorted(entry.rates))
        yield "]\n\n"


def _toml_rate(rate: Rate) -> str:
    fields = [f"unit = {_quoted(rate.unit)}", f"amount = {_quoted(rate.amount)}", f"per = {rate.per}"]
    for name, key in _TOML_RATE:
        value = getattr(rate, name)
        if name == "context" and value:
            fields.append(f"context = {{ {', '.join(f'{each} = {_quoted(text)}' for each, text in value)} }}")
        elif value:
            fields.append(f"{key} = {value if isinstance(value, int) else _quoted(value)}")
    return ", ".join(fields)


def _toml_list(value: Any) -> str:
    return f"[{', '.join(_toml_list(each) for each in value)}]" if isinstance(value, list | tuple) else _quoted(str(value))


def _quoted(text: str) -> str:
    """A TOML basic string: JSON's escapes are TOML's too, but JSON leaves DEL as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def json_text(file: CatalogFile) -> Iterator[str]:
    """The catalog with its id, line by line."""
    yield f'{{"catalog_id":{json.dumps(file.id)},"label":{json.dumps(file.label, ensure_ascii=False)},"entries":[\n'
    separator = ""
    for entry in file.entries():
        said = {**entry._asdict(), "rates": [rate._asdict() for rate in sorted(entry.rates)]}
        yield separator + canonical_json(said)
        separator = ",\n"
    yield "\n]}\n"


def packed(data: bytes) -> bytes:
    """A catalog file (`load.unpack`) of what `json_text` wrote. Raises CatalogError where it is not that, or not whole."""
    try:
        said = json.loads(data)
        text = catalog_text(_entry(each) for each in said["entries"])
        wanted, label = said["catalog_id"], str(said["label"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CatalogError(f"not an exported catalog: {error}") from error
    if catalog_id(text) != wanted:
        raise CatalogError(f"this exported catalog was changed: its content is {catalog_id(text)}, it says {wanted}; change a CSV or TOML")
    return pack(text, label)


def _entry(said: dict[str, Any]) -> Entry:
    rates = tuple(sorted(Rate(**{**rate, "context": tuple((key, value) for key, value in rate["context"])}) for rate in said["rates"]))
    return Entry(**{**said, "rates": rates})
