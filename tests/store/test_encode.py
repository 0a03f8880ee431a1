from __future__ import annotations

import gc
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.store import encode
from spanledger.store.errors import RowError

ATTO = st.one_of(st.none(), st.integers(-(10**38) + 1, 10**38 - 1), st.integers(-(2**63), 2**63 - 1))


@given(st.lists(ATTO))
def test_money_is_the_same_integer_after_arrow(values: list[int | None]) -> None:
    array = encode.money(values, "cost_usd")
    assert array.type == encode.MONEY
    assert encode.atto(array) == values
    with localcontext(prec=60):
        assert array.to_pylist() == [None if value is None else Decimal(value).scaleb(-18) for value in values]


def test_money_survives_slicing() -> None:
    array = encode.money([1, None, 3, 10**30], "cost_usd")
    assert encode.atto(array.slice(1, 3)) == [None, 3, 10**30]


@pytest.mark.parametrize("value", [10**38, -(10**38)])
def test_an_amount_beyond_38_digits_is_refused(value: int) -> None:
    with pytest.raises(RowError, match=r"cost_usd: .* DECIMAL"):
        encode.money([1, value], "cost_usd")


@pytest.mark.parametrize("bad", [1.5, "1"])
def test_money_takes_no_floats_or_text(bad: object) -> None:
    with pytest.raises(RowError):
        encode.money([bad], "cost_usd")  # type: ignore[list-item]  # the point of the test


@given(st.lists(st.one_of(st.none(), st.binary(min_size=8, max_size=8))))
def test_ids_round_trip(values: list[bytes | None]) -> None:
    assert encode.ids(values, 8, "span_id").to_pylist() == values


@pytest.mark.parametrize("values", [[b"12345678", b"1234567"], [b"1234567", b"123456789"], [None, b"1"]])
def test_an_id_of_another_width_is_refused_even_if_the_sum_is_right(values: list[bytes | None]) -> None:
    with pytest.raises(RowError, match="span_id"):
        encode.ids(values, 8, "span_id")


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, "7"])
def test_a_count_beyond_64_bits_is_refused(value: object) -> None:
    with pytest.raises(RowError, match="input_tokens"):
        encode.integers([1, value], "input_tokens")  # type: ignore[list-item]  # the point of the test


def test_lone_surrogates_become_question_marks() -> None:
    assert encode.texts(["a\ud800b", None, "ü"], "user_id").to_pylist() == ["a?b", None, "ü"]


def test_absent_and_empty_lists_are_different() -> None:
    assert encode.text_lists([None, (), ("a", "b")], "flags").to_pylist() == [None, [], ["a", "b"]]


def test_collection_is_paused_and_always_resumed() -> None:
    def build_and_fail() -> None:
        with encode.no_collection():
            assert not gc.isenabled()
            raise RowError("x")

    with pytest.raises(RowError):
        build_and_fail()
    assert gc.isenabled()
    gc.disable()
    try:
        with encode.no_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
