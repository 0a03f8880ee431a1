"""Attribute slices to facts, for what exporters write and for what they should not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from spanledger.enrich.wire import IGNORED, Facts, is_error


def slice_of(key: str, **value: Any) -> bytes:
    return KeyValue(key=key, value=AnyValue(**value)).SerializeToString()


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_int64_is_read(number: int) -> None:
    assert Facts(["k"])[slice_of("k", int_value=number)] == ("k", number)


@given(st.text(max_size=300))
def test_every_text_is_read(text: str) -> None:
    assert Facts(["k"])[slice_of("k", string_value=text)] == (("k", text) if text else IGNORED)


@given(st.floats(allow_nan=False), st.booleans())
def test_doubles_and_booleans_are_read(number: float, flag: bool) -> None:
    facts = Facts(["k"])
    assert facts[slice_of("k", double_value=number)] == ("k", number)
    assert facts[slice_of("k", bool_value=flag)] == ("k", flag)


@pytest.mark.parametrize("value", [{"string_value": ""}, {"bytes_value": b"x"}, {}])
def test_values_that_say_nothing_are_ignored(value: dict[str, Any]) -> None:
    assert Facts(["k"])[slice_of("k", **value)] == IGNORED


def test_arrays_and_maps_become_json() -> None:
    items = ArrayValue(values=[AnyValue(string_value="stop"), AnyValue(int_value=2)])
    pairs = KeyValueList(values=[KeyValue(key="tenant_id", value=AnyValue(string_value="acme"))])
    facts = Facts(["k"])
    assert facts[slice_of("k", array_value=items)] == ("k", '["stop",2]')
    assert facts[slice_of("k", kvlist_value=pairs)] == ("k", '{"tenant_id":"acme"}')


def test_keys_no_rule_reads_are_ignored_and_long_keys_are_read() -> None:
    facts = Facts(["k" * 200])
    assert facts[slice_of("other", string_value="x")] == IGNORED
    assert facts[slice_of("k" * 200, int_value=5)] == ("k" * 200, 5)


def test_value_before_key_is_read() -> None:
    value = AnyValue(int_value=7).SerializeToString()
    data = b"\x12" + bytes([len(value)]) + value + b"\x0a\x01k"
    assert Facts(["k"])[data] == ("k", 7)


def test_the_last_of_a_repeated_key_wins() -> None:
    assert Facts(["k"]).of([slice_of("k", int_value=1), slice_of("k", int_value=2)]) == {"k": 2}


@given(st.binary(max_size=60))
def test_bytes_that_are_no_attribute_never_raise(data: bytes) -> None:
    key, _ = Facts(["k", ""])[data]
    assert key in (None, "k", "")


@given(st.binary(min_size=8, max_size=60), st.integers(0, 59), st.integers(0, 255))
def test_damaged_attributes_never_raise(text: bytes, at: int, byte: int) -> None:
    data = bytearray(slice_of("k", string_value=text.decode("latin1")))
    data[at % len(data)] = byte
    assert len(Facts(["k"])[bytes(data)]) == 2


def test_the_memory_is_bounded() -> None:
    facts = Facts(["k", "id"], volatile=["id"])
    for number in range(5000):
        facts[slice_of("k", string_value=f"{number:08d}")]
        facts[slice_of("id", string_value=f"{number:08d}")]
    assert 0 < len(facts) <= 1024


@pytest.mark.parametrize(
    ("status", "failed"), [(b"", False), (b"\x18\x01", False), (b"\x18\x02", True), (b"\x12\x01x\x18\x02", True), (b"\x18", False)]
)
def test_status(status: bytes, failed: bool) -> None:
    assert is_error(status) is failed
