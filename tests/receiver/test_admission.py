import logging

import pytest

from spanledger.enrich.grants import DEFAULT_AUTHORITY, Grant
from spanledger.receiver.admission import (
    FORBIDDEN,
    INTERNAL,
    KEYLESS,
    OVERLOADED,
    STOPPING,
    STORE_SECONDS,
    UNAUTHENTICATED,
    Admission,
    Refused,
    refused,
    secret_of,
)
from spanledger.receiver.config import ReceiverConfig

GRANT = Grant("key1", "acme", None, frozenset({"ingest", "read"}))


class Store:
    """The keys as the store has them, counting how often it is asked."""

    def __init__(self, **keys: Grant) -> None:
        self.keys = keys
        self.asked = 0

    def find_key(self, secret: str) -> Grant | None:
        self.asked += 1
        return self.keys.get(secret)

    def has_keys(self) -> bool:
        return bool(self.keys)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def admission(store: Store, clock: Clock | None = None, **config: object) -> Admission:
    return Admission(ReceiverConfig.model_validate(config), store.find_key, store.has_keys, clock or Clock())


def refusal(call: Admission, secret: str | None, host: str | None = None) -> object:
    with pytest.raises(Refused) as caught:
        call.authenticate(secret, host)
    return caught.value.refusal


def test_a_revoked_key_is_refused_within_the_time_of_the_cache() -> None:
    store, clock = Store(good=GRANT, other=GRANT), Clock()
    gate = admission(store, clock)
    assert gate.authenticate("good") == GRANT
    del store.keys["good"]
    clock.now += 4.9 - STORE_SECONDS  # what the store says may be a second old itself
    assert gate.authenticate("good") == GRANT
    assert store.asked == 1
    clock.now += 0.2
    assert refusal(gate, "good") == UNAUTHENTICATED
    assert store.asked == 2


def test_a_new_key_is_let_in_within_the_time_of_the_cache() -> None:
    store, clock = Store(other=GRANT), Clock()
    gate = admission(store, clock)
    assert refusal(gate, "new") == UNAUTHENTICATED
    store.keys["new"] = GRANT
    clock.now += 5
    assert gate.authenticate("new") == GRANT


def test_the_first_key_closes_an_open_server() -> None:
    store, clock = Store(), Clock()
    gate = admission(store, clock)
    assert gate.authenticate(None) == gate.authenticate("anything") == KEYLESS
    assert KEYLESS.authority == DEFAULT_AUTHORITY
    store.keys["first"] = GRANT
    clock.now += 5
    assert refusal(gate, None) == UNAUTHENTICATED


def test_a_server_that_others_reach_is_never_open() -> None:
    """Revoking the last key must not open it; starting it without one is refused elsewhere."""
    assert refusal(admission(Store(), grpc="10.0.0.5:4317"), None) == UNAUTHENTICATED
    assert admission(Store(), grpc="127.0.0.1:4317").authenticate(None) == KEYLESS


def test_many_bad_keys_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanledger.receiver.admission._CACHE_SIZE", 10)
    gate = admission(Store(good=GRANT))
    for number in range(50):
        assert refusal(gate, f"bad {number}") == UNAUTHENTICATED
    assert len(gate._cache) <= 10
    assert gate.authenticate("good") == GRANT


def test_no_key_is_kept_in_the_cache() -> None:
    gate = admission(Store(good=GRANT))
    gate.authenticate("good")
    assert b"good" not in repr(gate._cache).encode()


@pytest.mark.parametrize("host", ["localhost", "localhost:4318", "LOCALHOST:4318", "127.0.0.1:4318", "[::1]:4318"])
def test_without_keys_a_request_to_this_machine_passes(host: str) -> None:
    assert admission(Store()).authenticate(None, host) == KEYLESS


@pytest.mark.parametrize("host", ["evil.example", "evil.example:4318", "localhost.evil.example", "", "10.0.0.5:4318", "[::ffff:10.0.0.1]"])
def test_without_keys_a_name_that_a_web_page_could_choose_does_not(host: str) -> None:
    assert refusal(admission(Store()), None, host) == FORBIDDEN
    assert admission(Store(good=GRANT)).authenticate("good", host) == GRANT


def test_what_is_in_flight_is_bounded_and_given_back() -> None:
    gate = admission(Store(), max_request_mib=1, max_in_flight_mib=2)
    with gate.hold(1 << 20) as first:
        first.grow(1 << 20)
        assert gate.in_flight_bytes == 2 << 20
        with pytest.raises(Refused) as caught:
            gate.hold(1)
        assert caught.value.refusal == OVERLOADED
    assert gate.in_flight_bytes == 0
    with pytest.raises(ZeroDivisionError), gate.hold(5):
        _ = 1 / 0
    assert gate.in_flight_bytes == 0


def test_a_stopping_server_refuses_everyone_for_now() -> None:
    gate = admission(Store(good=GRANT))
    gate.stop()
    assert refusal(gate, "good") == STOPPING
    assert STOPPING.is_retryable


@pytest.mark.parametrize(
    ("headers", "secret"),
    [
        ({}, None),
        ({"authorization": "Bearer abc"}, "abc"),
        ({"authorization": "BEARER   abc  "}, "abc"),
        ({"authorization": "Bearer "}, None),
        ({"authorization": "Basic abc"}, None),
        ({"authorization": "abc"}, None),
        ({"x-api-key": " abc"}, "abc"),
        ({"x-api-key": "", "authorization": "Bearer abc"}, "abc"),
        ({"x-spanledger-key": "own", "authorization": "Bearer of the proxy", "x-api-key": "another"}, "own"),
        ({"authorization": "Basic for the proxy", "x-api-key": "abc"}, "abc"),
    ],
)
def test_where_a_key_may_stand(headers: dict[str, str], secret: str | None) -> None:
    assert secret_of(headers.get) == secret


def test_a_fault_of_ours_is_retryable_and_says_nothing_of_the_request(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = refused(ZeroDivisionError("a secret"))
    assert answer.refusal == INTERNAL
    assert INTERNAL.is_retryable
    assert "secret" not in answer.message
    assert "ZeroDivisionError" in caplog.text
