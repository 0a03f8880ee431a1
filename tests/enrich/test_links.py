"""Link keys: what may be one call shares a key, and nothing crosses authorities."""

from __future__ import annotations

from spanledger.enrich.links import TWIN_BUCKET_NS, link_keys, probe_keys, response_key, twin_key
from tests.enrich.trees import Node, agent, chat, readings


def keys(node: Node, authority: str = "default") -> set[int]:
    return set(link_keys(readings(node, authority=authority)[0]))


def test_a_response_id_and_equal_counts_link() -> None:
    assert keys(chat("a", (10, 1), response_id="r1")) & keys(chat("b", (99, 9), response_id="r1"))
    assert keys(chat("a", (10, 1))) == keys(chat("b", (10, 1), scope="other@1"))


def test_another_authority_shares_no_key() -> None:
    node = chat("a", (10, 1), response_id="r1")
    assert not keys(node, "one") & keys(node, "two")


def test_an_invented_id_an_aggregate_and_a_silent_call_have_none() -> None:
    assert keys(agent("a", tokens=(10, 1))) == set()
    assert keys(chat("a")) == set()
    assert response_key(readings(chat("a", (10, 1), response_id="r1", extra={"response_id_unique": False}))[0]) is None


def test_a_twin_of_the_neighbouring_minute_is_looked_for() -> None:
    late = readings(chat("a", (10, 1)))[0]
    early = late._replace(start_ns=late.start_ns - TWIN_BUCKET_NS)
    assert twin_key(early) != twin_key(late)
    assert twin_key(early) in probe_keys(late)
    assert twin_key(late) in probe_keys(early)
