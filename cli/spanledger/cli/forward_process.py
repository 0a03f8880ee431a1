"""The process that sends costs on, and the thread beside the worker that keeps it alive: packing entries must take no time from the ledger.

The first line of its input is the start (folder, configuration, log format); the end of input means stop.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final

from spanledger.cli.forward import Forwarder
from spanledger.cli.forward_config import ForwardConfig
from spanledger.cli.log import LogFormat, fault, start_logging

_log = logging.getLogger(__name__)
_STOP_SECONDS: Final = 3.0
"""A receiver that does not answer must not hold up the end; what is left is sent after the next start."""
_PAUSE_SECONDS: Final = 5.0
_NICE: Final = 5


class ForwardProcess:
    """Starts the process and starts it again when it dies."""

    def __init__(self, data: Path, config: ForwardConfig, log_format: LogFormat) -> None:
        self._start_line = json.dumps({"data": str(data), "config": config.model_dump(mode="json"), "log_format": log_format.value}) + "\n"
        self._is_wanted = config.endpoint is not None
        self._stopped = threading.Event()
        self._guard = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._watch, name="forward-supervisor", daemon=True)

    def start(self) -> None:
        """Begin; not at all where no endpoint is configured."""
        if self._is_wanted:
            self._thread.start()

    def stop(self) -> None:
        """Let it send what is ready, and end it if that takes long."""
        with self._guard:
            self._stopped.set()
            process = self._process
        if process is not None:
            assert process.stdin is not None  # noqa: S101 - it was asked for
            process.stdin.close()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def _watch(self) -> None:
        while True:
            with self._guard:
                if self._stopped.is_set():
                    return
                process = self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "spanledger.cli.forward_process"], stdin=subprocess.PIPE, text=True, encoding="utf-8"
                )
            assert process.stdin is not None  # noqa: S101 - it was asked for
            try:
                process.stdin.write(self._start_line)
                process.stdin.flush()
            except OSError:
                pass  # it has ended already, which is seen below
            code = process.wait()
            if self._stopped.is_set():
                return
            process.stdin.close()
            _log.error("the process that sends costs on ended with code %d; it starts again in %.0f s", code, _PAUSE_SECONDS)
            self._stopped.wait(_PAUSE_SECONDS)


def main() -> int:
    """Send on until the input ends."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a terminal's Ctrl-C reaches the whole group: the server decides, not it
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICE)
    start: dict[str, Any] = json.loads(sys.stdin.readline())
    start_logging(LogFormat(start["log_format"]), "forward")
    forwarder = Forwarder(Path(start["data"]), ForwardConfig.model_validate(start["config"]))

    def listen() -> None:
        sys.stdin.read()
        forwarder.stop()

    threading.Thread(target=listen, name="orders", daemon=True).start()
    forwarder.run()
    return 0


if __name__ == "__main__":
    try:
        code = main()
    except Exception as error:  # noqa: BLE001 - the last word of this process, in one line
        logging.getLogger("spanledger").critical("forwarding stopped: %s", fault(error))
        code = 1
    sys.stderr.flush()
    os._exit(code)  # a thread still reads the input
