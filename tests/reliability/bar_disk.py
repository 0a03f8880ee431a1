"""Disks that are full, fail, may not be written, or run out of handles: never an OK while it lasts, nothing lost, back within seconds."""

from __future__ import annotations

import errno
import http.client
import itertools
import resource
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import grpc
from google.rpc import status_pb2
from google.rpc.error_details_pb2 import RetryInfo

from spanledger.receiver.journal import JournalReader
from spanledger.store.metastore import Metastore
from spanledger.store.verify import verify
from tests.cli.otlp import as_protobuf, chat
from tests.reliability.bars import Bar, Figures, require
from tests.reliability.senders import check_ledger
from tests.reliability.served import Served

RECOVERY_SECONDS_MAX, PATIENCE_SECONDS = 5.0, 60.0
"""What is promised, and what the short form grants: it runs beside other tests, and times are not judged there."""
_TMPFS_MIB = 48
_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class Poster:
    """Sends one request at a time, over HTTP and gRPC in turn, and keeps what was acknowledged."""

    def __init__(self, served: Served, seed: int) -> None:
        self._served = served
        self._numbers = itertools.count((seed % 1000 + 1) << 40)
        self.acknowledged: set[tuple[int, int]] = set()
        self.sent: set[tuple[int, int]] = set()
        self.answers: Counter[str] = Counter()
        self._channel = grpc.insecure_channel(served.grpc, options=[("grpc.max_reconnect_backoff_ms", 200)])
        self._call = self._channel.unary_unary(_EXPORT)

    def close(self) -> None:
        """Let the connection go."""
        self._channel.close()

    def post(self, transport: str) -> bool:
        """Send one call; whether it was acknowledged. Any other answer must be retryable, with a delay."""
        number = next(self._numbers)
        self.sent.add((number, 1))
        body = as_protobuf(chat(number, 1))
        told = self._over_http(body) if transport == "http" else self._over_grpc(body)
        self.answers[told] += 1
        if told == "ok":
            self.acknowledged.add((number, 1))
        require(told in {"ok", "later", "unreachable"}, f"an answer over {transport} that is not retryable: {told}")
        return told == "ok"

    def _over_http(self, body: bytes) -> str:
        connection = http.client.HTTPConnection(self._served.http, timeout=3)
        try:
            connection.request("POST", "/v1/traces", body, {"content-type": "application/x-protobuf"})
            answer = connection.getresponse()
            if answer.status == 200:
                return "ok"
            return "later" if answer.status == 503 and answer.headers["Retry-After"] else f"HTTP {answer.status}"
        except (OSError, http.client.HTTPException):
            return "unreachable"
        finally:
            connection.close()

    def _over_grpc(self, body: bytes) -> str:
        try:
            self._call(body, timeout=3)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                return "unreachable"
            said = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                return f"gRPC {error.code()}"
            if said is None:
                return "unreachable"  # the library's own word: no answer came
            details = status_pb2.Status.FromString(said).details
            return "later" if any(each.Is(RetryInfo.DESCRIPTOR) for each in details) else "gRPC without a delay"
        return "ok"

    def until(self, wanted: bool, seconds: float) -> float:
        """Send until both transports answer as wanted; how long that took."""
        began = time.monotonic()
        for transport in ("http", "grpc"):
            while self.post(transport) is not wanted:
                require(time.monotonic() - began < seconds, f"{transport}: no {'OK' if wanted else 'refusal'} within {seconds} s")
                time.sleep(0.02)
        return time.monotonic() - began


class Trial(NamedTuple):
    """A server under trial, and the seam through which its disk is spoiled."""

    served: Served
    poster: Poster
    seam: Path
    seconds: float
    recovery_seconds_max: float

    @contextmanager
    def faults(self, *lines: str) -> Iterator[None]:
        """Let these calls fail while the block runs."""
        told = self.seam / "faults"
        told.with_suffix(".new").write_text("\n".join(lines))
        told.with_suffix(".new").replace(told)
        try:
            yield
        finally:
            told.unlink()


def _refused_while(trial: Trial, fault: Callable[[], object]) -> float:
    """No OK from the first refusal to the end of the fault; how long the first OKs took after it."""
    trial.poster.until(wanted=True, seconds=30)
    with fault():  # type: ignore[attr-defined]  # a context manager
        trial.poster.until(wanted=False, seconds=30)
        end = time.monotonic() + trial.seconds
        while time.monotonic() < end:
            for transport in ("http", "grpc"):
                require(not trial.poster.post(transport), f"an OK over {transport} while the disk failed")
            require(not trial.served.is_ready(), "ready while the disk failed")
            time.sleep(0.05)
    return trial.poster.until(wanted=True, seconds=trial.recovery_seconds_max)


def _behind_while(trial: Trial, fault: Callable[[], object]) -> float:
    """The journal goes on and the ledger cannot; how long it took to catch up after the fault."""
    with fault():  # type: ignore[attr-defined]  # a context manager
        end = time.monotonic() + trial.seconds
        while time.monotonic() < end:
            require(trial.poster.post("http"), "no OK while only the ledger's files failed")
            time.sleep(0.02)
        require(_position(trial.served.data) < _durable(trial.served.data), "the ledger went on: the fault was none")
    began = time.monotonic()
    while _position(trial.served.data) < _durable(trial.served.data):
        require(time.monotonic() - began < trial.recovery_seconds_max, "the ledger did not catch up in time")
        time.sleep(0.02)
    return time.monotonic() - began


def _position(data: Path) -> int:
    store = Metastore.open(data, read_only=True)
    try:
        return store.last_commit().position
    finally:
        store.close()


def _durable(data: Path) -> int:
    with JournalReader(data / "journal") as reader:
        return reader.durable()


# -- the faults ---------------------------------------------------------------------------------------------------------


@contextmanager
def _full(trial: Trial) -> Iterator[None]:
    """A real disk without a byte left."""
    ballast = trial.served.data.parent / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            for size in (1 << 20, 4096, 1):
                with suppress(OSError):
                    while True:
                        file.write(bytes(size))
        yield
    finally:
        ballast.unlink()


@contextmanager
def _no_larger_files(trial: Trial) -> Iterator[None]:
    """A bound on the size of files: the kernel takes a part of a write and refuses the rest."""
    process = trial.served.process
    assert process is not None
    newest = max((trial.served.data / "journal").glob("*.seg"))
    before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (newest.stat().st_size + 100, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def _no_handles(trial: Trial) -> Iterator[None]:
    """As many handles as it has open: a new connection cannot be taken, and no new file be made."""
    process = trial.served.process
    assert process is not None
    before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    used = max(int(path.name) for path in Path(f"/proc/{process.pid}/fd").iterdir())
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (used + 1, before[1]))
    held = []
    try:
        for _ in range(8):
            connection = http.client.HTTPConnection(trial.served.http, timeout=1)
            connection.connect()
            held.append(connection)
        yield
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
        for connection in held:
            connection.close()


def _scenarios(trial: Trial, *, real_disk: bool) -> Iterator[tuple[str, float]]:
    eio, enospc, erofs = errno.EIO, errno.ENOSPC, errno.EROFS
    spoil = trial.faults
    if real_disk:
        yield "full", _refused_while(trial, lambda: _full(trial))
    yield "partial_write", _refused_while(trial, lambda: _no_larger_files(trial))
    yield "write_eio", _refused_while(trial, lambda: spoil(f"writev /journal/ {eio}", f"open /journal/ {eio}"))
    yield "sync_eio", _refused_while(trial, lambda: spoil(f"fdatasync /journal/ {eio}"))
    calls = ("writev", "write", "pwrite", "open", "rename", "replace", "mkdir")
    yield "read_only", _refused_while(trial, lambda: spoil(*(f"{call} {trial.served.data} {erofs}" for call in calls)))
    yield "parquet_sync_eio", _behind_while(trial, lambda: spoil(f"fsync /events/ {eio}", f"fsync /spans/ {eio}"))
    yield "parquet_name_enospc", _behind_while(trial, lambda: spoil(f"replace /spans/ {enospc}"))
    yield "chain_sync_eio", _behind_while(trial, lambda: spoil(f"fdatasync /chain/ {eio}"))


def _out_of_handles(trial: Trial) -> float:
    """No new connection is taken while there are no handles; those that are open, and all after it, are served."""
    trial.poster.until(wanted=True, seconds=30)
    with _no_handles(trial):
        time.sleep(trial.seconds)
    return trial.poster.until(wanted=True, seconds=trial.recovery_seconds_max)


@contextmanager
def small_disk(folder: Path) -> Iterator[tuple[Path, bool]]:
    """A small file system of its own where one may be mounted, else a plain folder; whether it is one."""
    place = folder / "disk"
    place.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_TMPFS_MIB}m", "tmpfs", place], capture_output=True, check=False)
    try:
        yield place, mounted.returncode == 0
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "-l", place], check=True)


def trial(seed: int, rounds: int, seconds: float, folder: Path, broken: str = "") -> Figures:
    """Spoil a server's disk in every way, `rounds` times, and hold its ledger against what it acknowledged."""
    slowest: dict[str, float] = {}
    with ExitStack() as stack:
        place, real_disk = stack.enter_context(small_disk(folder))
        seam = folder / "seam"
        seam.mkdir()
        served = Served(place / "data", seam=seam, broken=broken)
        served.log = folder / "server.log"
        stack.callback(served.end)
        served.start()
        poster = Poster(served, seed)
        stack.callback(poster.close)
        trial = Trial(served, poster, seam, seconds, RECOVERY_SECONDS_MAX if rounds > 1 else PATIENCE_SECONDS)
        for _ in range(rounds):
            for name, took in _scenarios(trial, real_disk=real_disk):
                slowest[name] = max(slowest.get(name, 0.0), round(took, 2))
            slowest["no_handles"] = max(slowest.get("no_handles", 0.0), round(_out_of_handles(trial), 2))
        require(served.stop() == 0, f"the stop was not clean: {served.said()[-1500:]}")
        figures = check_ledger(served.data, poster.acknowledged, poster.sent)
        found = verify(served.data, full=True)
        require(found.is_fine, f"verify --full: {found.findings[:1]}")
        require("Traceback" not in served.said(), f"a traceback in the log: {served.said()[-3000:]}")
    skipped = {} if real_disk else {"skipped": "full: no file system may be mounted here"}
    return {**figures, "refused": poster.answers["later"], "recovery_seconds": slowest, **skipped}


def run(seed: int, long: bool, folder: Path) -> Figures:
    """See BAR."""
    return trial(seed, 3 if long else 1, 5.0 if long else 0.7, folder)


def _answers_when_full(seed: int, folder: Path) -> Figures:
    return trial(seed, 1, 0.5, folder, "answer_when_full")


BAR = Bar(
    "disk",
    "full, failing, read-only, out of handles: never OK while it lasts, every refusal retryable with a delay, nothing lost, back in 5 s",
    run,
    {"a failed write answered OK": _answers_when_full},
    is_timed=True,
)
