"""Reading with meters: units travel on the reading of the spans they match, and on no other."""

from __future__ import annotations

from tests.cli.otlp import chat, span
from tests.enrich.metering import Metered
from tests.enrich.test_meters import COMPUTE, SEARCH, tool


def test_units_are_on_the_reading_of_a_span_that_matches() -> None:
    search, other, call = Metered(SEARCH).read(tool(2), tool(3, "calculator"), chat(1, 4))
    assert search.call is not None
    assert search.call.usage is not None
    assert search.call.usage.extra == (("meter:tool_execution:measured:web-search:calls", 1),)
    assert other.call is not None
    assert other.call.usage is None
    assert call.call is not None
    assert call.call.usage is not None
    assert call.call.usage.extra == ()


def test_a_plain_span_gets_a_call_of_the_meters_own() -> None:
    attributes = {"sandbox.size": "small", "sandbox.cpu_seconds": "2.5"}
    matching, plain = Metered(COMPUTE).read(span(1, 1, attributes), span(1, 2, {"sandbox.size": "none"}))
    assert matching.call is not None
    assert (matching.kind, matching.call.dialect) == ("other", "meter")
    assert plain.call is None


def test_a_quantity_inside_a_json_attribute_survives_pruning() -> None:
    text = COMPUTE.replace("sandbox.cpu_seconds", "stats#cpu.seconds").replace("sandbox.size", "stats#size")
    [reading] = Metered(text).read(span(1, 1, {"stats": '{"size": "small", "cpu": {"seconds": 2}, "secret": "words"}'}))
    assert reading.call is not None
    assert reading.call.usage is not None
    assert ("meter:compute:estimated:sandbox:cpu_ms", 2000) in reading.call.usage.extra
