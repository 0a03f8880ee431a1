from __future__ import annotations

import threading
from pathlib import Path

import pytest

from spanledger.enrich.grants import Grant
from spanledger.store.errors import StoreError
from spanledger.store.keys import Keys
from spanledger.store.metastore import FILE_NAME, Metastore


class Clock:
    def __init__(self) -> None:
        self.ns = 1_000_000_000

    def __call__(self) -> int:
        return self.ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(tmp_path: Path, clock: Clock) -> Keys:
    return Keys(Metastore.open(tmp_path), clock)


def test_a_key_is_found_by_its_secret_and_by_nothing_like_it(keys: Keys) -> None:
    assert not keys.has_keys()
    key_id, secret = keys.create_key("acme", "tenant-1", ["read", "ingest"], "ci")
    assert secret.startswith(f"sl_{key_id}_")
    assert keys.find_key(secret) == Grant(key_id, "acme", "tenant-1", frozenset({"ingest", "read"}))
    for wrong in ("", "sl", "sl__", secret[:-1], secret + "0", secret.upper(), f"sl_{key_id}_", "xx" + secret[2:], "sl_0_\ud800"):
        assert keys.find_key(wrong) is None, wrong


def test_the_secret_is_nowhere_on_the_disk(keys: Keys, tmp_path: Path) -> None:
    secret = keys.create_key().secret.rsplit("_", 1)[1]
    keys.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert secret.encode() not in stored
    assert b"ingest" in stored, "the control: other fields are found this way"
    assert (tmp_path / FILE_NAME).exists()


def test_a_revoked_key_is_let_in_no_more_and_does_not_open_the_door(keys: Keys) -> None:
    key_id, secret = keys.create_key()
    keys.revoke_key(key_id)
    keys.revoke_key(key_id)
    assert keys.find_key(secret) is None
    assert keys.has_keys(), "a server whose last key was revoked must not fall back to letting everybody in"
    with pytest.raises(StoreError, match="no key nothere"):
        keys.revoke_key("nothere")


def test_rotation_lets_both_keys_in_for_the_overlap(keys: Keys, clock: Clock) -> None:
    old_id, old = keys.create_key("acme", "t", ["ingest"], "app")
    new_id, new = keys.rotate_key(old_id, overlap_seconds=60)
    assert keys.find_key(old) is not None
    assert keys.find_key(new) == Grant(new_id, "acme", "t", frozenset({"ingest"}))
    clock.ns += 60_000_000_000
    assert keys.find_key(old) is None
    assert keys.find_key(new) is not None
    with pytest.raises(StoreError, match="no active key"):
        keys.rotate_key(old_id)
    assert [(key.key_id, key.is_active(clock.ns)) for key in keys.list_keys()] == [(old_id, False), (new_id, True)]


@pytest.mark.parametrize(
    "bad", [{"scopes": ()}, {"scopes": ("root",)}, {"authority": ""}, {"tenant": ""}, {"tenant": "x" * 257}, {"name": "x" * 257}]
)
def test_bad_keys_are_refused(keys: Keys, bad: dict[str, object]) -> None:
    with pytest.raises(StoreError):
        keys.create_key(**bad)  # type: ignore[arg-type]  # the point of the test


def test_another_process_takes_effect_within_the_refresh(keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanledger.store.keys.REFRESH_SECONDS", 0.0)
    assert not keys.has_keys()
    other = Keys.open(tmp_path)
    key_id, secret = other.create_key()
    assert keys.find_key(secret) is not None
    other.revoke_key(key_id)
    assert keys.find_key(secret) is None


def test_look_ups_from_many_threads(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanledger.store.keys.REFRESH_SECONDS", 0.0)
    secret, wrong = keys.create_key().secret, []

    def look() -> None:
        wrong.extend(1 for _ in range(50) if keys.find_key(secret) is None)

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
