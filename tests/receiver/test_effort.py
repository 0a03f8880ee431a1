from gzip import decompress

import pytest

from spanledger.receiver.effort import Effort
from spanledger.receiver.errors import Laborious
from spanledger.receiver.intake import _EFFORT, Lane
from spanledger.receiver.otlp_json import to_protobuf
from spanledger.receiver.prune import Pruner
from tests.receiver.samples import KEPT, SECRET, make_request, make_span
from tests.reliability.attacks import field, laborious, request

PRUNER = Pruner(KEPT, SECRET)
BULKY = _EFFORT[Lane.BULKY]


def test_what_is_left_may_be_spent_and_no_more() -> None:
    effort = Effort(3)
    effort.spend(2)
    effort.spend(1)
    with pytest.raises(Laborious):
        effort.spend(1)


def test_without_a_limit_there_is_always_more() -> None:
    Effort().spend(1 << 40)


@pytest.mark.parametrize("number", range(6))
def test_small_bodies_that_take_long_are_found_out(number: int) -> None:
    packed, content_type, _ = laborious()[number]
    body = decompress(packed)
    effort = Effort(BULKY)
    with pytest.raises(Laborious):
        PRUNER.examine(to_protobuf(body, effort) if content_type.endswith("json") else body, effort)


def test_usual_requests_are_far_from_it() -> None:
    spans = (make_span("chat gpt-4o", {"gen_ai.request.model": "gpt-4o", "n": n, "text": f"hello {n}"}, number=n) for n in range(512))
    body = make_request(*spans).SerializeToString()
    assert PRUNER.examine(body, Effort(15_000)).spans == 512


def test_each_of_many_links_costs() -> None:
    number = 1000
    body = request(*[field(13, b"\x0a\x01x")] * number)
    assert PRUNER.examine(body, Effort(5 * number)).spans == 1
    with pytest.raises(Laborious):
        PRUNER.examine(body, Effort(3 * number))


@pytest.mark.parametrize(
    "disguise",
    [b"", b"\x08\x01", b"\x09" + bytes(8), b"\x0d" + bytes(4), b"\x0b\x0c", b"\x92\x80\x00\x00", b"\xa2\x06\x00"],
    ids=["none", "number", "fixed64", "fixed32", "group", "long tag", "other field"],
)
def test_envelopes_are_counted_before_they_are_decoded_whatever_stands_before_them(disguise: bytes) -> None:
    for body in (disguise + b"\x0a\x00" * 40_000, field(1, disguise + b"\x12\x00" * 40_000)):
        with pytest.raises(Laborious):
            PRUNER.examine(body, Effort(BULKY))
        assert PRUNER.examine(body).spans == 0
