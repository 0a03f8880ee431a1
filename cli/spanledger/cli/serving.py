"""`serve`: configuration, logging and signals around the server."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from pathlib import Path

from spanledger.cli.config import load_config
from spanledger.cli.folder import DataFolder
from spanledger.cli.log import LogFormat, start_logging
from spanledger.cli.memory import give_memory_back
from spanledger.cli.server import serving
from spanledger.cli.settings import Layer, option_layer

_log = logging.getLogger(__name__)
_SWITCH_SECONDS = 0.0005
"""How long a thread may run while another waits. A request passes through half a dozen threads, each behind whoever reads a large one."""


def serve_until_told(data: Path, config_path: Path | None, grpc: str | None, http: str | None, log_format: LogFormat) -> None:
    """Serve until SIGTERM or SIGINT; a second signal ends at once."""
    options: list[Layer] = []
    options += [option_layer("receiver.grpc", grpc, "--grpc")] if grpc is not None else []
    options += [option_layer("receiver.http", http, "--http")] if http is not None else []
    config = load_config(config_path, options).config
    start_logging(log_format, "server")
    give_memory_back()
    sys.setswitchinterval(_SWITCH_SECONDS)
    told = threading.Event()

    def tell(number: int, _frame: object) -> None:
        if told.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, tell)
    with serving(DataFolder(data), config, log_format):
        told.wait()
