"""Which columns a row's canonical bytes have, by version; see docs/proof.md for the encoding itself.

A version that has been released is never changed, or every proof of its rows would be lost. A new column goes to the end of a new
version; rows booked before keep the version that their chain record names.
"""

from __future__ import annotations

from typing import Final, NamedTuple

FIXED_BYTES: Final[dict[str, int]] = {"id16": 16, "id8": 8, "int": 8, "ns": 8, "money": 16, "bool": 1}
"""Width of the types that have one: integers are big-endian two's complement, money is a whole number of atto-USD."""


class Shape(NamedTuple):
    """The columns of a row, or the parts of a list's item: (name, type), in the order of their bytes."""

    columns: tuple[tuple[str, str], ...]
    has_presence: bool = True
    """Whether a byte a column says that there is a value. Parts of items always have one."""

    @property
    def head_bytes(self) -> int:
        """Bytes before the first value of a varying length."""
        fixed = sum(FIXED_BYTES.get(kind, 4) for _, kind in self.columns)
        return fixed + len(self.columns) * self.has_presence


ITEMS: Final[dict[str, Shape]] = {
    "texts": Shape((("text", "text"),), False),
    "usage": Shape((("unit", "text"), ("quantity", "int")), False),
    "lines": Shape(
        (("unit", "text"), ("quantity", "int"), ("rate_id", "text"), ("amount", "text"), ("per", "int"), ("cost_usd", "money")), False
    ),
}
"""What an item of a list consists of."""


def _columns(text: str) -> Shape:
    """`type: name name …` lines, in order."""
    found: list[tuple[str, str]] = []
    for line in text.strip().splitlines():
        kind, _, names = line.strip().partition(": ")
        found += [(name, kind) for name in names.split()]
    return Shape(tuple(found))


ROW_VERSIONS: Final[dict[int, Shape]] = {
    1: _columns("""
        int: entry_number
        id16: event_id
        text: kind
        id16: ref_event_id
        text: reason
        ns: start_ns end_ns received_ns booked_ns
        text: authority tenant_id user_id session_id claimed_tenant_id tenant_source
        int: split_index
        text: split_weight initiator cost_surface operation provider request_model response_model service_tier region
        text: provider_account response_id status error_type
        int: attempt
        text: tool_name
        id16: trace_id
        id8: span_id parent_span_id
        text: workflow agent feature environment service
        int: input_tokens output_tokens cache_read_tokens cache_write_tokens cache_write_5m_tokens cache_write_1h_tokens
        int: reasoning_tokens
        usage: usage
        int: wall_clock_ms
        money: list_cost_usd contracted_cost_usd cost_usd customer_price_usd
        text: currency
        lines: lines
        text: usage_state price_state price_reason provider_billing
        bool: customer_billable
        int: position
        text: dialect usage_basis ruleset_id catalog_id engine_version run_id
        texts: suppressed_span_ids
        money: emitter_cost_usd
        text: prompt_hmac
        texts: flags
    """)
}

ROW_VERSION: Final = max(ROW_VERSIONS)
"""What new entries are hashed as."""
