"""The index of what may be one call: response ids always, counts once a service has two tellers."""

from __future__ import annotations

import pytest

from spanledger.enrich.link_index import LinkIndex
from spanledger.enrich.records import Reading
from tests.enrich.trees import chat, readings, trace_id


class Held:
    """Readings in memory and their index."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.index = LinkIndex(lambda: self.readings)

    def add(self, trace: str, **more: object) -> set[str]:
        [reading] = readings(chat("a", (10, 1), **more), trace)
        self.readings.append(reading)
        return {partner[0][1].decode().rstrip(".") for _, partner in self.index.add([reading])}


def test_one_response_id_links_whatever_the_counts() -> None:
    held = Held()
    assert held.add("t1", response_id="r1") == set()
    assert held.add("t2", response_id="r1") == {"t1"}
    assert held.add("t3", response_id="r2") == set()


def test_equal_counts_of_one_teller_do_not_link() -> None:
    held = Held()
    assert [held.add(f"t{n}") for n in range(5)] == [set()] * 5


def test_a_second_teller_of_a_service_meets_all_that_came_before() -> None:
    held = Held()
    held.add("t1")
    held.add("t2")
    held.add("elsewhere", service="other")
    assert held.add("t3", scope="sdk@1") == {"t1", "t2"}
    assert held.add("t4") == {"t3"}


def test_what_is_removed_is_not_found_again() -> None:
    held = Held()
    held.add("t1", response_id="r1")
    held.add("t2", scope="sdk@1")
    held.index.remove(("default", trace_id("t1")), held.readings[:1])
    held.index.remove(("default", trace_id("t2")), held.readings[1:])
    held.readings.clear()
    assert held.add("t3", response_id="r1") == set()
    assert held.add("t4", scope="sdk@1") == {"t3"}


def test_the_ledger_is_asked_by_counts_only_where_a_service_has_two_tellers() -> None:
    [reading] = readings(chat("a", (10, 1)))
    mine = ("default", "svc", ("test@1", "test"))
    assert LinkIndex(lambda: (), [mine]).keys_to_ask(reading) == ()
    assert len(LinkIndex(lambda: (), [mine, ("default", "svc", ("sdk@1", "test"))]).keys_to_ask(reading)) == 3
    assert len(LinkIndex(lambda: (), [mine, ("default", "other", ("sdk@1", "test"))]).keys_to_ask(reading)) == 0


def test_a_teller_known_only_from_the_ledger_counts() -> None:
    [reading] = readings(chat("a", (10, 1)))
    index = LinkIndex(lambda: (), [("default", "svc", ("sdk@1", "test"))])
    index.add([reading])
    assert len(index.keys_to_ask(reading)) == 3


def test_services_of_two_tellers_without_end_do_not_look_through_memory_without_end() -> None:
    looks, held = 0, Held()

    def look() -> list[Reading]:
        nonlocal looks
        looks += 1
        return held.readings

    held.index = LinkIndex(look)
    for n in range(50):
        assert held.add(f"a{n}", service=f"s{n}") == set()
        assert held.add(f"b{n}", service=f"s{n}", scope="sdk@1") == {f"a{n}"}
    assert looks == 17


def test_services_without_end_are_not_remembered_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanledger.enrich.link_index._SERVICES_MAX", 3)
    held = Held()
    for n in range(6):
        held.add(f"t{n}", service=f"s{n}")
    assert [held.add(f"u{n}", service=f"s{n}", scope="sdk@1") for n in range(6)] == [{f"t{n}"} for n in range(6)]
    assert len(held.index._tellers) <= 3  # the bound is what is tested


def test_where_tellers_are_unknown_every_service_has_several() -> None:
    [reading] = readings(chat("a", (10, 1)))
    assert len(LinkIndex(lambda: (), None).keys_to_ask(reading)) == 3
