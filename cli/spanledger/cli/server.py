"""The server: receiver in this process, worker in a child, one folder, and an orderly end."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from spanledger.cli.config import Config
from spanledger.cli.folder import DataFolder, ServerInfo
from spanledger.cli.log import LogFormat
from spanledger.cli.parts import pruner_for
from spanledger.cli.supervisor import Supervisor
from spanledger.receiver.journal import Journal
from spanledger.receiver.server import Receiver
from spanledger.store.ledger import Ledger

_log = logging.getLogger(__name__)
_LOCK_WAIT_SECONDS = 3.0
"""A worker that has just lost its server needs a moment to notice; a real second server stays longer."""


class Running(NamedTuple):
    """A server that accepts spans."""

    info: ServerInfo
    supervisor: Supervisor


@contextmanager
def serving(folder: DataFolder, config: Config, log_format: LogFormat) -> Iterator[Running]:
    """Serve while the block runs; leaving it stops accepting, drains the journal into the ledger and lets the folder go."""
    folder.create()
    with ExitStack() as stack:
        lock = stack.enter_context(folder.writing(wait_seconds=_LOCK_WAIT_SECONDS))
        secret = folder.secret()
        ledger = Ledger.open(folder.path)
        position = ledger.position
        ledger.close()
        journal = stack.enter_context(Journal(folder.journal, at_least=position))
        supervisor = Supervisor(folder.path, config, log_format, lock.descriptor)
        supervisor.start()
        raise NotImplementedError
