"""`ingest`: stored requests go through pruning, journal and worker as if received; or to the server that keeps the folder."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from spanledger.cli.config import Config, load_config
from spanledger.cli.errors import complain
from spanledger.cli.feed import BadInput, Input, Request, find_inputs, read_input
from spanledger.cli.folder import DataFolder, FolderBusy
from spanledger.cli.parts import OpenWorker, open_journal, pruner_for
from spanledger.cli.reaching import Credentials
from spanledger.cli.remote import send_to_server
from spanledger.cli.render import visible
from spanledger.enrich.grants import DEFAULT_AUTHORITY
from spanledger.receiver.errors import MalformedRequest, TooLarge
from spanledger.receiver.journal import Journal, Record
from spanledger.receiver.otlp_json import to_protobuf
from spanledger.receiver.prune import Pruner

_WAITING_MAX = 256
_LOCK_WAIT_SECONDS = 10.0


class Summary(NamedTuple):
    """What came of it."""

    requests: int = 0
    spans: int | None = 0
    """None where the server counts them, among those of others."""
    entries: int = 0
    bad: int = 0
    quarantined: int = 0

    def text(self, seconds: float) -> str:
        """The one line that is printed at the end."""
        parts = [f"{self.requests:,} requests"]
        parts += [] if self.spans is None else [f"{self.spans:,} spans"]
        parts += [f"{self.entries:,} ledger entries"]
        parts += [f"{self.quarantined:,} spans in quarantine"] * bool(self.quarantined) + [f"{self.bad:,} bad inputs"] * bool(self.bad)
        return f"ingested {', '.join(parts)} in {seconds:.1f} s"


def ingest_paths(data: Path, config_path: Path | None, paths: Sequence[Path], shown: Credentials) -> int:
    """Ingest files and folders; the exit code: 1 if any of it could not be read."""
    config = load_config(config_path).config
    folder = DataFolder(data)
    folder.create()
    inputs = find_inputs(paths)
    began = time.monotonic()
    with ExitStack() as stack:
        try:
            stack.enter_context(folder.writing(wait_seconds=0.0 if folder.server() else _LOCK_WAIT_SECONDS))
        except FolderBusy:
            server = folder.server()
            if server is None or server.http is None:
                raise
            summary = send_to_server(folder, server, _requests(inputs), shown)
        else:
            summary = ingest_here(folder, config, _requests(inputs))
    print(summary.text(time.monotonic() - began), file=sys.stderr)  # noqa: T201 - the command's own summary
    return 1 if summary.bad else 0


def _requests(inputs: Sequence[Input]) -> Iterator[Request | BadInput]:
    """Every request of every input, with a progress bar where somebody watches."""
    with _progress(inputs) as advance:
        for source in inputs:
            yield from read_input(source)
            advance(source.size_bytes)


@contextmanager
def _progress(inputs: Sequence[Input]) -> Iterator[Any]:
    if not sys.stderr.isatty():
        yield lambda _size: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    columns = ("ingesting", BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("ingest", total=sum(source.size_bytes for source in inputs) or None)
        yield lambda size: progress.advance(task, size)


def ingest_here(folder: DataFolder, config: Config, requests: Iterator[Request | BadInput]) -> Summary:
    """Ingest as the writer of the folder, and settle everything."""
    pruner = pruner_for(config, folder.secret())
    with OpenWorker(folder, config) as opened, open_journal(folder, config, at_least=opened.ledger.position) as journal:
        worker, ledger = opened.worker, opened.ledger
        entries_before = ledger.entries_total
        sink = _Sink(journal, pruner)
        for request in requests:
            sink.take(request)
            if sink.is_full:
                sink.wait()
                worker.step()
        sink.wait()
        worker.settle_up_to(journal.position)
        stats = worker.stats
        return Summary(sink.requests, stats.spans, ledger.entries_total - entries_before, sink.bad, stats.quarantined)


class _Sink:
    """Prunes and journals requests, some at a time, as the receiver does."""

    def __init__(self, journal: Journal, pruner: Pruner) -> None:
        self._journal, self._pruner = journal, pruner
        self._waiting: list[Future[int]] = []
        self.requests = 0
        self.bad = 0

    @property
    def is_full(self) -> bool:
        """Whether it is time to wait for the disk."""
        return len(self._waiting) >= _WAITING_MAX

    def take(self, request: Request | BadInput) -> None:
        """Queue a request; a bad one is named on stderr and passed over."""
        if isinstance(request, BadInput):
            self._refuse(str(request))
            return
        try:
            body = to_protobuf(request.body) if request.encoding == "json" else request.body
            pruned = self._pruner.prune(body)
        except (MalformedRequest, TooLarge) as error:
            self._refuse(f"{request.where}: {error}")
            return
        self._waiting.append(self._journal.append(Record(DEFAULT_AUTHORITY, None, None, time.time_ns(), pruned)))
        self.requests += 1

    def _refuse(self, message: str) -> None:
        self.bad += 1
        complain(visible(message))

    def wait(self) -> None:
        """Until everything queued is on the disk."""
        for future in self._waiting:
            future.result()
        self._waiting.clear()
