"""How long the documents are that a retriever sends with its span, one by one, as OpenInference does; pruning leaves their lengths.

Whole results in one JSON text (`gen_ai.retrieval.documents`, Traceloop's entity output) say nothing: their length is that of scores and
metadata, too. The length travels as a flag of the retrieval's own call, which is stored with the span and charged to nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from spanledger.enrich.kept import PRUNED_PREFIX
from spanledger.enrich.records import Call
from spanledger.enrich.retrieved import LENGTH_FLAG

DOCUMENT_KEYS: Final = tuple(f"retrieval.documents.{n}.document.content" for n in range(64))


def with_length(facts: Mapping[Any, Any], call: Call) -> Call:
    """A retrieval with the length of its documents; pruned ones say how long they were."""
    length = sum(_length(facts.get(key)) for key in DOCUMENT_KEYS)
    return call._replace(flags=tuple(sorted((*call.flags, f"{LENGTH_FLAG}{length}")))) if length else call


def _length(text: object) -> int:
    if not isinstance(text, str):
        return 0
    if not text.startswith(PRUNED_PREFIX):
        return len(text)
    said = text[len(PRUNED_PREFIX) :].partition(":")[0]
    return int(said) if said.isascii() and said.isdigit() and len(said) < 12 else 0
