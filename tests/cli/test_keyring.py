"""`keys`: secrets shown once, stored hashed."""

from __future__ import annotations

from pathlib import Path

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
