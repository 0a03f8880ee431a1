"""Writes docs/kept.md out of the reading rules, so that what pruning keeps is never told otherwise than it is done:
`python -m spanledger.cli.kept_reference`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from spanledger.enrich.kept import NUMBER_MAX, NUMBERS, TEXTS, Kept, kept_for
from spanledger.enrich.rules import default_rules

_LEAVES: Final = {NUMBERS: "a number", TEXTS: "a text of up to 256 characters"}

_INTRODUCTION = """# What is kept of a span

Written by `python -m spanledger.cli.kept_reference` out of the reading rules; do not edit by hand. [security.md](security.md) says why.

Kept of every span are its ids, times, kind, flags and status code, every number and boolean, the names of its attributes (without
blanks and control characters, up to 256 bytes), and the texts listed here. Every other text (status message, trace state, values of
other attributes, bytes) becomes `pruned:<length>:<keyed hash>` before anything is stored. Keys that your `[enrich.payers]`, meters and
dialects name are added to these.

- Names and versions of scopes: up to 256 characters.
- Schema URLs of the usual form: `https://host/schemas/version`.
- Names of spans and events: only those below; every other name is replaced.
"""


def kept_reference(kept: Kept | None = None) -> str:
    """The whole page as Markdown."""
    kept = kept or kept_for(default_rules())
    parts = [
        _INTRODUCTION,
        *_list(
            "Texts under these attributes",
            f"Up to {kept.text_max:,} characters; a longer one is replaced.",
            kept.text_keys - kept.number_keys,
        ),
        *_list("Counts that some send as text", f"A text is kept if it is a number of up to {NUMBER_MAX} characters.", kept.number_keys),
        *_list("Names of spans", "Kept whole.", kept.span_names),
        *_list("First words of names of spans", "Of such a name its first word is kept.", kept.span_name_words),
        *_list("Names of events", "Kept whole.", kept.event_names),
        "## JSON in attributes",
        "",
        "Of a JSON text, or a map, only these paths are kept: numbers, unless it says otherwise. An identifier is one word of up to 256",
        "characters; `*` is any name of up to 64 characters without blanks. Lists are looked into.",
        "",
        *_json(kept),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _list(title: str, meaning: str, names: Iterable[str]) -> Iterator[str]:
    """Names by what they begin with, a line for each beginning."""
    yield from (f"## {title}", "", meaning, "")
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(name.split(".", 1)[0] if "." in name else "", []).append(name)
    for group in sorted(groups):
        yield f"- {', '.join(f'`{name}`' for name in groups[group])}"
    yield ""


def _json(kept: Kept) -> Iterator[str]:
    for key in sorted(kept.json_keys):
        paths = sorted(set(_paths(kept.json_keys[key].tree, ())))
        yield f"- `{key}`: {', '.join(paths)}"


def _paths(tree: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[str]:
    for name, (leaf, below) in tree.items():
        if leaf is not None:
            what = "" if leaf == NUMBERS else f" ({_LEAVES.get(leaf, 'an identifier')})"
            yield f"`{'.'.join((*above, name))}`{what}"
        yield from _paths(below, (*above, name))


def main() -> None:
    """Print the page."""
    sys.stdout.write(kept_reference())


if __name__ == "__main__":
    main()
