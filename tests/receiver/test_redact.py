import hashlib

import pytest

from spanledger.enrich.kept import PRUNED_PREFIX
from spanledger.receiver.redact import PREFIX, Redactor, is_redacted


def test_a_text_becomes_its_length_and_a_keyed_hash() -> None:
    expected = hashlib.blake2b("grüße".encode(), digest_size=8, key=b"secret").hexdigest()
    assert Redactor(b"secret").text("grüße".encode()) == f"pruned:5:{expected}".encode()
    assert PREFIX.decode() == PRUNED_PREFIX


def test_the_same_text_hashes_alike_under_one_secret_only() -> None:
    assert Redactor(b"a").text(b"hello") == Redactor(b"a").text(b"hello") != Redactor(b"b").text(b"hello")
    assert Redactor(b"a").text(b"hello") != Redactor(b"a").text(b"hellp")
    long = Redactor(b"x" * 100)
    assert long.text(b"hello") == Redactor(b"x" * 100).text(b"hello") != Redactor(b"x" * 99).text(b"hello")


def test_replacing_twice_changes_nothing() -> None:
    redactor = Redactor(b"a")
    once = redactor.text(b"hello")
    assert is_redacted(once)
    assert redactor.text(once) == once
    assert redactor.text(b"") == b"" == redactor.binary(b"")


LOOKALIKES = [
    b"pruned:",
    b"pruned:5:hello",
    b"pruned:5:0123456789abcdef more",
    b"pruned:5:0123456789ABCDEF",
    b"pruned:-1:0123456789abcdef",
]


@pytest.mark.parametrize("text", LOOKALIKES)
def test_what_only_looks_replaced_is_replaced(text: bytes) -> None:
    assert Redactor(b"a").text(text) != text


def test_bytes_that_are_no_text_are_counted_and_hashed_too() -> None:
    assert Redactor(b"a").text(b"\xff\xfe\xfd").startswith(b"pruned:3:")
    assert Redactor(b"a").binary("grüße".encode()).startswith(b"pruned:7:")


def test_an_empty_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="secret"):
        Redactor(b"")
