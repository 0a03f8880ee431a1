import gzip
import tracemalloc

import pytest

from spanledger.receiver.errors import MalformedRequest, TooLarge
from spanledger.receiver.inflate import gunzip

BODY = bytes(range(256)) * 40


@pytest.mark.parametrize("body", [b"", b"x", BODY])
def test_one_member(body: bytes) -> None:
    assert gunzip(gzip.compress(body), len(body)) == body


def test_several_members_are_one_body() -> None:
    assert gunzip(gzip.compress(BODY) + gzip.compress(b"") + gzip.compress(BODY), 2 * len(BODY)) == BODY + BODY
    with pytest.raises(TooLarge):
        gunzip(gzip.compress(BODY) + gzip.compress(BODY), 2 * len(BODY) - 1)


def test_the_limit_is_inclusive() -> None:
    packed = gzip.compress(BODY)
    assert gunzip(packed, len(BODY)) == BODY
    with pytest.raises(TooLarge, match=f"more than {len(BODY) - 1} bytes"):
        gunzip(packed, len(BODY) - 1)


def test_a_bomb_is_not_inflated_beyond_the_limit() -> None:
    bomb = gzip.compress(bytes(64 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            gunzip(bomb, 1 << 20)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"plain",
        gzip.compress(BODY, mtime=0)[:-1],
        gzip.compress(BODY, mtime=0)[:20],
        gzip.compress(BODY, mtime=0) + b"junk",
        BODY + gzip.compress(BODY, mtime=0),
    ],
)
def test_anything_else_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedRequest, match="gzip"):
        gunzip(body, 1 << 20)


def test_a_wrong_checksum_is_malformed() -> None:
    packed = bytearray(gzip.compress(BODY))
    packed[-6] ^= 1
    with pytest.raises(MalformedRequest, match="gzip"):
        gunzip(bytes(packed), 1 << 20)


def test_a_small_body_may_have_any_ratio_and_a_large_one_may_not() -> None:
    assert gunzip(gzip.compress(bytes(1 << 20)), 64 << 20) == bytes(1 << 20)
    with pytest.raises(TooLarge, match="200 times its size"):
        gunzip(gzip.compress(bytes(2 << 20)), 64 << 20)
    assert len(gunzip(gzip.compress(bytes(2 << 20)), 64 << 20, ratio_max=2000)) == 2 << 20


def test_many_members_do_not_hide_a_ratio() -> None:
    with pytest.raises(TooLarge, match="200 times its size"):
        gunzip(gzip.compress(bytes(1 << 16)) * 64, 64 << 20)
