"""Tells billing systems over HTTP: where each takes events, how a request is made, and which answers mean done, wait, or never.

Sources: Stripe API reference, v2 billing meter event stream and session; Orb API reference, ingest events; Metronome API reference,
ingest; Lago API reference, batch events; OpenMeter API reference, ingest events (CloudEvents batch).
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from spanledger.cli.errors import UserError

TIMEOUT_SECONDS: Final = 30
_ANSWER_BYTES_MAX: Final = 1 << 20
_RETRYABLE: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_JSON: Final = "application/json"

Event = Mapping[str, Any]


class PushError(UserError):
    """A billing system did not take a request. `retry`: it may later; `wait_seconds`: it said when."""

    def __init__(self, message: str, *, retry: bool = False, wait_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry = retry
        self.wait_seconds = wait_seconds


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    reason: str
    retry_after: str | None
    body: bytes

    def json(self) -> Any:
        """The body, or None where it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Sender:
    """Sends batches of events to one billing system. `url` stands in for the system's own address; the key is never shown."""

    def __init__(self, system: str, key: str, url: str | None) -> None:
        self._spelling = SPELLINGS[system]
        self.system, self._key = system, key
        self.url = (url or self._spelling.url).rstrip("/")
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError(f"{self.url} is no address to send to: https://HOST is")
        self._stream_url = self.url if url else self._spelling.stream_url or self.url
        self._connections: dict[str, http.client.HTTPConnection] = {}
        self.token: str | None = None

    def send(self, events: Sequence[Event]) -> None:
        """Have a batch taken. Raises PushError; a batch that was taken before is taken again without harm."""
        self._spelling.send(self, events)

    def post(self, path: str, body: Any, *, bearer: str | None = None, kind: str = _JSON, stream: bool = False) -> Answer:
        """One request; raises PushError where there was no answer."""
        base = self._stream_url if stream else self.url
        headers = {"content-type": kind, "authorization": f"Bearer {bearer or self._key}", "user-agent": "spanledger"}
        headers |= self._spelling.headers
        raw = json.dumps(body, ensure_ascii=False).encode()
        connection = self._connection(base)
        try:
            connection.request("POST", f"{urlsplit(base).path.rstrip('/')}{path}", raw, headers)
            response = connection.getresponse()
            return Answer(response.status, response.reason, response.headers.get("retry-after"), response.read(_ANSWER_BYTES_MAX))
        except ssl.SSLCertVerificationError as error:
            raise PushError(f"{base}: its certificate is not to be trusted ({error.verify_message})") from error
        except (OSError, http.client.HTTPException) as error:
            self._connections.pop(base).close()
            reason = "no answer in time" if isinstance(error, socket.timeout) else str(error) or type(error).__name__
            raise PushError(f"{base}: {reason}", retry=True) from error

    def _connection(self, base: str) -> http.client.HTTPConnection:
        if base not in self._connections:
            parts = urlsplit(base)
            made = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
            self._connections[base] = made(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
        return self._connections[base]

    def refused(self, answer: Answer) -> PushError:
        """The error that an answer is."""
        if answer.status in (401, 403):
            return PushError(f"{self.system} does not accept the API key (HTTP {answer.status}): check SPANLEDGER_PUSH_KEY")
        wait = float(answer.retry_after) if (answer.retry_after or "").isdecimal() and answer.retry_after else None
        said = answer.body.decode("utf-8", "replace").strip()[:300]
        retry = answer.status in _RETRYABLE
        return PushError(f"{self.system} answered HTTP {answer.status} {answer.reason}: {said}", retry=retry, wait_seconds=wait)

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections.values():
            connection.close()


def _taken(sender: Sender, answer: Answer) -> None:
    if not 200 <= answer.status < 300:
        raise sender.refused(answer)


def _send_stripe(sender: Sender, events: Sequence[Event]) -> None:
    """A session's token, good for a quarter of an hour, opens the stream of events."""
    for attempt in (1, 2):
        if sender.token is None:
            opened = sender.post("/v2/billing/meter_event_session", {})
            _taken(sender, opened)
            sender.token = str((opened.json() or {}).get("authentication_token", ""))
        answer = sender.post("/v2/billing/meter_event_stream", {"events": list(events)}, bearer=sender.token, stream=True)
        if answer.status != http.HTTPStatus.UNAUTHORIZED or attempt == 2:
            break
        sender.token = None  # it ran out
    _taken(sender, answer)


def _send_orb(sender: Sender, events: Sequence[Event]) -> None:
    answer = sender.post("/v1/ingest", {"events": list(events)})
    found = answer.json()
    failed = found.get("validation_failed") if isinstance(found, dict) else None
    if failed:
        first = failed[0]
        raise PushError(f"orb refuses {len(failed)} events, the first ({first.get('idempotency_key')}): {first.get('validation_errors')}")
    _taken(sender, answer)


def _send_metronome(sender: Sender, events: Sequence[Event]) -> None:
    _taken(sender, sender.post("/v1/ingest", list(events)))


def _send_openmeter(sender: Sender, events: Sequence[Event]) -> None:
    _taken(sender, sender.post("/api/v1/events", list(events), kind="application/cloudevents-batch+json"))


def _send_lago(sender: Sender, events: Sequence[Event]) -> None:
    """Lago refuses a whole batch that has an event it knows: those are left out, for they were taken before."""
    waiting = list(events)
    while waiting:
        answer = sender.post("/api/v1/events/batch", {"events": waiting})
        if answer.status != http.HTTPStatus.UNPROCESSABLE_ENTITY:
            _taken(sender, answer)
            return
        found = answer.json()
        details: dict[str, Any] = (found.get("error_details") if isinstance(found, dict) else None) or {}
        known = {index for index, said in details.items() if said == {"transaction_id": ["value_already_exist"]}}
        if not known or len(known) != len(details):
            raise sender.refused(answer)
        waiting = [event for index, event in enumerate(waiting) if str(index) not in known]


class Spelling(NamedTuple):
    """Where a system takes events, and how."""

    url: str
    send: Callable[[Sender, Sequence[Event]], None]
    stream_url: str | None = None
    headers: Mapping[str, str] = {}


SPELLINGS: Final[Mapping[str, Spelling]] = {
    "stripe": Spelling("https://api.stripe.com", _send_stripe, "https://meter-events.stripe.com", {"stripe-version": "2025-03-31.basil"}),
    "orb": Spelling("https://api.withorb.com", _send_orb),
    "metronome": Spelling("https://api.metronome.com", _send_metronome),
    "lago": Spelling("https://api.getlago.com", _send_lago),
    "openmeter": Spelling("https://openmeter.cloud", _send_openmeter),
}
"""The systems by name."""
