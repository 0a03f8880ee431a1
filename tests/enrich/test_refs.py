"""References into JSON texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.enrich.refs import look_up, parse_object, split_ref


def test_a_reference_is_an_attribute_and_a_path() -> None:
    assert split_ref("gen_ai.usage.input_tokens") == ("gen_ai.usage.input_tokens", ())
    assert split_ref("output.value#usage.input_tokens") == ("output.value", ("usage", "input_tokens"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ("{'a': None, 'b': (1, 2)}", {"a": None, "b": (1, 2)}),
        ('"acme"', "acme"),
        ("plain words", None),
        ("{broken", None),
        ("{'a': __import__('os')}", None),
        ("{" + "'a':{" * 500, None),
        ("[" * 100_000, None),
    ],
)
def test_json_and_python_reprs_are_parsed_and_nothing_is_run(text: str, value: object) -> None:
    assert parse_object(text) == value


@pytest.mark.parametrize(
    ("value", "path", "found"),
    [
        ({"usage": {"in": 5}}, "usage.in", 5),
        ({"generations": [[{"message": {"id": "x"}}]]}, "generations.message.id", "x"),
        ([{"a": None}, {"a": 3}], "a", 3),
        ({"azure": {"usage": 1}, "openai": {"tokens": 2}}, "*.tokens", 2),
        ({"raw": '{"usage": {"in": 5}}'}, "raw.usage.in", 5),
        ({"tenant.id": "acme"}, "tenant.id", "acme"),
        ({"usage": {"in": 5}}, "usage", None),
        ({"usage": {"in": 5}}, "usage.out", None),
    ],
)
def test_paths(value: object, path: str, found: object) -> None:
    assert look_up(value, tuple(path.split("."))) == found


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner)
    )
)
def test_looking_up_never_raises_and_finds_only_scalars(value: object) -> None:
    found = look_up(value, ("a", "b"))
    assert not isinstance(found, dict | list)
