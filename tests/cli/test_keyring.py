"""`keys`: secrets shown once, stored hashed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.runner import spanledger


def test_keys_are_created_listed_and_revoked(tmp_path: Path) -> None:
    data = tmp_path / "data"
    created = spanledger("keys", "create", "--data", data, "--tenant", "acme", "--name", "production")
    secret, key_id = created.out.strip(), created.err.split()[1]
    (row,) = spanledger("keys", "list", "--data", data, "--format", "jsonl").rows()
    assert (row["key_id"], row["account"], row["tenant"], row["scopes"], row["name"], row["state"]) == (
        key_id, "default", "acme", "ingest", "production", "active",
    )  # fmt: skip
    assert spanledger("keys", "revoke", "--data", data, key_id).code == 0
    assert spanledger("keys", "list", "--data", data, "--format", "jsonl").rows()[0]["state"] == "revoked"
    assert spanledger("keys", "revoke", "--data", data, "nope").err == "spanledger: there is no key nope\n"
    assert spanledger("keys", "create", "--data", data, "--scope", "everything").code == 1
    assert secret.encode() not in b"".join(path.read_bytes() for path in data.iterdir() if path.is_file())


def test_a_key_is_rotated_and_the_old_one_ends_after_the_overlap(tmp_path: Path) -> None:
    data = tmp_path / "data"
    old_id = spanledger("keys", "create", "--data", data, "--tenant", "acme", "--scope", "read", "--expires", "90d").err.split()[1]
    rotated = spanledger("keys", "rotate", "--data", data, old_id, "--overlap", "0m")
    assert rotated.code == 0
    assert rotated.out.startswith("sl_")
    old, new = spanledger("keys", "list", "--data", data, "--format", "jsonl").rows()
    assert (old["state"], new["state"]) == ("expired", "active")
    assert (new["tenant"], new["scopes"]) == ("acme", "read")
    assert new["expires"] is not None
    assert new["key_id"] in rotated.err
    assert spanledger("keys", "rotate", "--data", data, old_id).err == f"spanledger: there is no active key {old_id}\n"


@pytest.mark.parametrize("text", ["", "soon", "-1d", "1", "1.5h", "999999999d", "10w"])
def test_what_is_no_length_of_time_is_said(tmp_path: Path, text: str) -> None:
    said = spanledger("keys", "create", "--data", tmp_path, f"--expires={text}")
    assert (said.code, said.out) == (2, "")
    assert said.err == f"spanledger: --expires: {text!r} is no length of time; write it as in 30m, 12h or 90d\n"
