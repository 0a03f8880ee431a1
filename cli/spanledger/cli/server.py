"""The server: receiver in this process, worker in a child, one folder, and an orderly end."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from spanledger.cli.config import Config
from spanledger.cli.folder import DataFolder, ServerInfo
from spanledger.cli.forward_config import ForwardConfig
from spanledger.cli.log import LogFormat
from spanledger.cli.metrics import archive_metrics, disk_metrics, forward_metrics, worker_metrics
from spanledger.cli.parts import open_journal, pruner_for
from spanledger.cli.supervisor import Supervisor
from spanledger.receiver.archived import archived_bytes
from spanledger.receiver.config import parse_address
from spanledger.receiver.journal import Journal
from spanledger.receiver.server import Receiver
from spanledger.store.forwarding import read_state
from spanledger.store.keys import Keys
from spanledger.store.metastore import Metastore

_log = logging.getLogger(__name__)
_LOCK_WAIT_SECONDS = 3.0
"""A worker that has just lost its server needs a moment to notice; a real second server stays longer."""
_STOP_GRACE_SECONDS = 10.0


class Running(NamedTuple):
    """A server that accepts spans."""

    info: ServerInfo
    supervisor: Supervisor
    journal: Journal


@contextmanager
def serving(folder: DataFolder, config: Config, log_format: LogFormat = LogFormat.text) -> Iterator[Running]:
    """Serve while the block runs; leaving it stops accepting, drains the journal into the ledger and lets the folder go."""
    folder.create()
    with ExitStack() as stack:
        lock = stack.enter_context(folder.writing(wait_seconds=_LOCK_WAIT_SECONDS))
        pruner = pruner_for(config, folder.secret())
        journal = stack.enter_context(open_journal(folder, config, at_least=_committed_position(folder)))
        keys = stack.enter_context(closing(Keys.open(folder.path)))
        supervisor = Supervisor(folder.path, config, log_format, lock.descriptor)
        receiver = Receiver(
            config.receiver,
            journal,
            pruner,
            keys.find_key,
            has_keys=keys.has_keys,
            extra_metrics=lambda: _metrics(folder, supervisor, journal, config.forward),
        )
        supervisor.start()
        stack.callback(_drain, supervisor, journal, config.worker.drain_seconds)
        receiver.start()
        stack.callback(receiver.stop, _STOP_GRACE_SECONDS)
        info = _info(config, receiver)
        folder.announce(info)
        stack.callback(folder.withdraw)
        _log.info("listening: OTLP/gRPC %s, OTLP/HTTP %s; data in %s", info.grpc or "off", info.http or "off", folder.path)
        yield Running(info, supervisor, journal)
        _log.info("stopping: no new spans are accepted")


def _metrics(folder: DataFolder, supervisor: Supervisor, journal: Journal, forward: ForwardConfig) -> str:
    worker = worker_metrics(supervisor.stats, journal.position, supervisor.restarts, supervisor.pid is not None)
    told = worker + archive_metrics(*archived_bytes(folder.archive)) + disk_metrics(folder.path)
    if forward.endpoint is None:
        return told
    with closing(Metastore.open(folder.path, read_only=True)) as store:
        return told + forward_metrics(read_state(store), store.last_commit().entries_total, time.time_ns())


def _committed_position(folder: DataFolder) -> int:
    with closing(Metastore.open(folder.path)) as metastore:
        return metastore.last_commit().position


def _info(config: Config, receiver: Receiver) -> ServerInfo:
    """Where the server really listens: port 0 has become a number."""
    ports = receiver.ports
    addresses = []
    for text, port in ((config.receiver.grpc, ports.grpc), (config.receiver.http, ports.http)):
        addresses.append(None if text is None or port is None else parse_address(text)._replace(port=port).text)
    tls = config.receiver.tls
    return ServerInfo(os.getpid(), addresses[0], addresses[1], None if tls is None else str(Path(tls.certificate).resolve()))


def _drain(supervisor: Supervisor, journal: Journal, seconds: float) -> None:
    """Bring what was acknowledged into the ledger; what does not make it in time is taken up at the next start."""
    began = time.monotonic()
    if supervisor.drain(journal.position, seconds):
        _log.info("stopped: everything accepted is in the ledger (%.1f s)", time.monotonic() - began)
    else:
        _log.warning("stopped before everything was in the ledger; the rest is safe in the journal and is taken up at the next start")
