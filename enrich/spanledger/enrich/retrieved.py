"""How much of a call's input retrieval may have put there, estimated from the lengths of the documents retrieved before it.

An estimate beside the counts: a unit of its own in `usage` that prices nothing, marked by a flag with the rule's version. Whether a
document went into the prompt as it was, nobody says: it is at most so much, at four characters a token and never more than the input.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from spanledger.enrich.charge import RETRIEVED, Charge
from spanledger.enrich.records import Reading
from spanledger.enrich.settle import AGENT_OPERATIONS
from spanledger.enrich.tellers import CLOCK_SLACK_NS

RETRIEVED_ESTIMATE: Final = "retrieved_estimate.v1"
"""The flag of a call with an estimate."""
CHARACTERS_PER_TOKEN: Final = 4
LENGTH_FLAG: Final = "retrieved_characters:"
"""What the flag of a retrieval begins with that says how long its documents are: flags are stored with the span."""


class Retrievals:
    """The retrievals of one trace whose documents' lengths are known."""

    def __init__(self, spans: Mapping[bytes, Reading]) -> None:
        self._spans = spans
        self._found = [(reading.end_ns, set(self._places(reading)), size) for reading in spans.values() if (size := self._size(reading))]

    def estimate(self, charge: Charge) -> int:
        """Tokens of a call's input that retrievals before it, under the same agent, may have put there; 0 where nothing says so."""
        usage = charge.call.usage
        if not self._found or usage is None or not usage.input_tokens or charge.stands_for_others or charge.reading.operation in RETRIEVED:
            return 0
        reading = charge.reading
        if reading.kind != "inference":
            return 0
        place = next(self._places(reading))
        before_ns = reading.start_ns + CLOCK_SLACK_NS
        size = sum(size for end_ns, places, size in self._found if end_ns <= before_ns and place in places)
        return min(usage.input_tokens, -(-size // CHARACTERS_PER_TOKEN))

    def _size(self, reading: Reading) -> int:
        """The length of a retrieval's documents; 0 for one inside another, which tells of the same."""
        if reading.kind != "retrieval" or reading.call is None:
            return 0
        said = next((flag for flag in reading.call.flags if flag.startswith(LENGTH_FLAG)), None)
        if said is None or any(above.kind == "retrieval" for above in self._above(reading)):
            return 0
        return int(said[len(LENGTH_FLAG) :])

    def _places(self, reading: Reading) -> Iterator[bytes]:
        """What a span is done for: the tools above it, up to the nearest agent or else the top of the trace."""
        top = reading
        for above in self._above(reading):
            top = above
            if above.operation in AGENT_OPERATIONS:
                yield above.span_id
                return
            if above.kind == "tool":
                yield above.span_id
        yield top.parent_span_id or top.span_id

    def _above(self, reading: Reading) -> Iterator[Reading]:
        """The spans above one, the nearest first. Parent cycles end quietly."""
        at, steps = self._spans.get(reading.parent_span_id), 0
        while at is not None and steps <= len(self._spans):
            yield at
            at, steps = self._spans.get(at.parent_span_id), steps + 1
