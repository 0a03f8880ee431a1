"""C39: the exporters of the OpenTelemetry SDK for JavaScript, as users have them: gRPC, protobuf and JSON over HTTP.

They are installed once, pinned by the lock file beside `node/send.mjs`, into `SPANLEDGER_NODE_CACHE` or the user's cache folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from spanledger.enrich.grants import Grant
from spanledger.receiver.prune import Bounds, Pruner
from tests.receiver.samples import KEPT, SECRET, Running, attributes_of, running

HERE = Path(__file__).parent / "node"
KEYS = {"good": Grant("key1", "acme", None, frozenset({"ingest"}))}
pytestmark = pytest.mark.skipif(shutil.which("npm") is None, reason="needs node and npm")
every_exporter = pytest.mark.parametrize("kind", ["grpc", "proto", "http"])


@pytest.fixture(scope="session")
def modules() -> Path:
    """The folder with the installed packages; made by whoever comes first."""
    lock = (HERE / "package-lock.json").read_bytes()
    home = Path(os.environ.get("SPANLEDGER_NODE_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spanledger")
    folder = home / f"node-{hashlib.sha256(lock).hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not (folder / "installed").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, folder / name)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
            if done.returncode:
                pytest.skip(f"npm could not install the exporters: {done.stderr[-300:]}")
            (folder / "installed").touch()
    return folder


def endpoint(kind: str, server: Running) -> str:
    return f"http://{server.grpc}" if kind == "grpc" else "http://{}:{}/v1/traces".format(*server.http)


def start(modules: Path, kind: str, to: str, *, compression: str = "none", key: str = "good", count: int = 100) -> subprocess.Popen[str]:
    command = ["node", str(HERE / "send.mjs"), kind, to, compression, key, str(count), "0"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"SPANLEDGER_NODE_MODULES": str(modules)})


def said(sender: subprocess.Popen[str]) -> list[str]:
    out, _ = sender.communicate(timeout=120)
    assert sender.returncode == 0
    told: list[str] = json.loads(out)
    return told


@every_exporter
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_c39_what_node_sends_is_what_is_stored(tmp_path: Path, modules: Path, kind: str, compression: str) -> None:
    with running(tmp_path, keys=KEYS) as server:
        assert said(start(modules, kind, endpoint(kind, server), compression=compression)) == []
        spans = server.spans()
        assert sorted(attributes_of(span)["gen_ai.usage.input_tokens"] for span in spans) == list(range(100))  # type: ignore[type-var]
        assert {attributes_of(span)["gen_ai.request.model"] for span in spans} == {"gpt-4o"}
        assert {span.name for span in spans} == {"chat"}
        assert all(record.key_id == "key1" for record in server.records())
        assert b"midnight" not in b"".join(path.read_bytes() for path in server.directory.iterdir())


@every_exporter
def test_c39_a_bad_key_is_told_to_the_application(tmp_path: Path, modules: Path, kind: str) -> None:
    with running(tmp_path, keys=KEYS) as server:
        told = " ".join(said(start(modules, kind, endpoint(kind, server), key="bad", count=5)))
        assert "UNAUTHENTICATED" in told or "Unauthorized" in told
        assert server.records() == []


@every_exporter
def test_c39_partial_success_reaches_the_application(tmp_path: Path, modules: Path, kind: str) -> None:
    with running(tmp_path, pruner=Pruner(KEPT, SECRET, bounds=Bounds(spans=5))) as server:
        told = " ".join(said(start(modules, kind, endpoint(kind, server), key="", count=7)))
        assert "partial success" in told.lower()
        assert len(server.spans()) == 5


@every_exporter
def test_c39_a_restart_in_the_middle_loses_nothing_in_silence(tmp_path: Path, modules: Path, kind: str) -> None:
    """The exporters over HTTP try again by themselves; the one over gRPC does not, but then it says so."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    at = {"grpc": address} if kind == "grpc" else {"http": address}
    to = f"http://{address}" + ("" if kind == "grpc" else "/v1/traces")
    with running(tmp_path, **at) as server:
        sender = start(modules, kind, to, key="", count=1000)
        deadline = time.monotonic() + 60
        while not server.spans():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        server.receiver.stop(5)
    with running(tmp_path, **at) as server:
        told = said(sender)
        numbers = {attributes_of(span)["gen_ai.usage.input_tokens"] for span in server.spans()}
    assert numbers <= set(range(1000))
    if kind == "grpc":
        assert len(numbers) == 1000 or told, "nothing is lost without a word"
    else:
        assert len(numbers) == 1000, told[:3]
