"""Sends the ledger on, entry by entry and at least once, in a process of its own that nothing waits for.

It reads what is committed, sends it, and then moves a cursor in the metastore. Killed in between, it sends some entries again, under
the same ids. While the receiver is away, or refuses, the cursor stands still and the ledger goes on: nothing is ever passed over.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from spanledger.cli.forward_config import ForwardConfig
from spanledger.cli.forward_logs import logs_request
from spanledger.cli.forward_metrics import add_entries, metrics_requests
from spanledger.cli.forward_send import Answer, Sender, SendError
from spanledger.cli.log import fault
from spanledger.store.forwarding import EntryReader, ForwardState, Series, Totals, advance, note, read_state, read_totals, reset
from spanledger.store.metastore import Metastore

_log = logging.getLogger(__name__)
_PAUSES_SECONDS: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_WAIT_SECONDS_MAX: Final = 300.0
_ERROR_CHARACTERS_MAX: Final = 300


class Forwarding:
    """One step at a time: what is new is sent and noted. For a thread, and for tests."""

    def __init__(self, data: Path, store: Metastore, config: ForwardConfig) -> None:
        self._store, self._config = store, config
        self._reader = EntryReader(data, store)
        self._sender = Sender(config)
        self._totals: dict[Series, Totals] = {}
        self._counted: tuple[int, int] | None = None
        """Since when, and up to which entry, `_totals` count. Another process, or a reset, may move the cursor under us."""
        self._metrics_due = 0.0
        self.failures = 0

    def step(self, now_ns: int) -> bool:
        """Send the next batch, if there is one; True if there may be more. Raises SendError."""
        state = self._state(now_ns)
        head = self._reader.head()
        if state.entry_number > head:
            raise SendError(f"entry {state.entry_number} was sent, and the ledger ends at {head}: run `spanledger forward reset`")
        try:
            more = self._entries(state, head, now_ns)
            self._metrics(state, now_ns)
        except SendError as error:
            self._failed(error, now_ns)
            raise
        self.failures = 0
        return more

    def _state(self, now_ns: int) -> ForwardState:
        state = read_state(self._store) or reset(self._store, 0, now_ns)
        if self._counted == (state.since_ns, state.entry_number):
            return state
        found, self._totals = read_totals(self._store)
        state = found or state
        self._counted, self._metrics_due = (state.since_ns, state.entry_number), 0.0
        return state

    def _entries(self, state: ForwardState, head: int, now_ns: int) -> bool:
        up_to = min(head, state.entry_number + self._config.batch_entries)
        if up_to == state.entry_number:
            return False
        entries = self._reader.read(state.entry_number, up_to)
        answer = self._sender.logs(logs_request(entries)) if self._config.events else Answer(0, "")
        if answer.rejected:
            _log.error("the receiver refused %d of %d records for good: %s", answer.rejected, len(entries), answer.message[:200])
        changed = add_entries(self._totals, [event for _, event in entries], self._config.series_max)
        moved = ForwardState(up_to, state.since_ns, now_ns, rejected=state.rejected + answer.rejected)
        done = advance(self._store, moved, state.entry_number, {series: self._totals[series] for series in changed})
        self._counted = (state.since_ns, up_to) if done else None  # or what was added up here belongs to nothing
        return up_to < head or not done

    def _metrics(self, state: ForwardState, now_ns: int) -> None:
        if not self._config.metrics or self._counted is None or time.monotonic() < self._metrics_due:
            return
        for request in metrics_requests(self._totals, state.since_ns, now_ns):
            self._sender.metrics(request)
        self._metrics_due = time.monotonic() + self._config.metrics_every_seconds

    def _failed(self, error: SendError, now_ns: int) -> None:
        self.failures += 1
        state = read_state(self._store)
        if state is not None:
            text = str(error)[:_ERROR_CHARACTERS_MAX]
            note(self._store, state._replace(error=text, failing_since_ns=state.failing_since_ns or now_ns))

    def last(self, now_ns: int) -> None:
        """At an orderly end: what is committed is sent as far as it goes at once, and the figures once more."""
        while self.step(now_ns):
            pass
        self._metrics_due = 0.0
        self.step(now_ns)

    def close(self) -> None:
        """Give the connection up."""
        self._sender.close()


class Forwarder:
    """The loop: whatever fails is told, noted and tried again later."""

    def __init__(self, data: Path, config: ForwardConfig) -> None:
        self._data, self._config = data, config
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End after what is ready has been sent, if it can be sent at once."""
        self._stopped.set()

    def run(self) -> None:
        """Send on until told to stop."""
        while not self._stopped.is_set():
            try:
                with closing(Metastore.open(self._data)) as store:
                    self._work(Forwarding(self._data, store, self._config))
            except Exception as error:  # noqa: BLE001 - whatever it was, it is not the end of forwarding
                _log.error("forwarding was interrupted: %s", fault(error))
                self._stopped.wait(_PAUSES_SECONDS[-2])

    def _work(self, forwarding: Forwarding) -> None:
        pause = 0.0
        try:
            while not self._stopped.wait(pause):
                pause = self._step(forwarding)
            if not forwarding.failures:
                forwarding.last(time.time_ns())
        except SendError as error:
            _log.warning("not everything was sent on before the end: %s; the rest is sent after the next start", error)
        finally:
            forwarding.close()

    def _step(self, forwarding: Forwarding) -> float:
        """One step; how long to wait for the next."""
        try:
            return 0.0 if forwarding.step(time.time_ns()) else self._config.interval_seconds
        except SendError as error:
            failures = max(forwarding.failures, 1)
            pause = _PAUSES_SECONDS[min(failures, len(_PAUSES_SECONDS)) - 1]
            pause = max(pause, min(error.wait_seconds or 0.0, _WAIT_SECONDS_MAX))
            level = logging.WARNING if failures in (1, 5) or failures % 60 == 0 else logging.DEBUG
            _log.log(level, "costs could not be sent on (%s); tried again in %.1f s, and nothing is lost meanwhile", error, pause)
            return pause
