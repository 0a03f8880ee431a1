"""Stand-ins of billing systems on loopback that enforce the rules of the real ones: keys, number of events, digits, windows, duplicates."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "secret-key"


class BillingSystem:
    """Takes events as the systems do. `trouble` is a list of answers to give before any event is taken: (status, headers)."""

    def __init__(self) -> None:
        self.taken: dict[str, Any] = {}
        self.requests = 0
        self.trouble: list[tuple[int, dict[str, str]]] = []
        self.cut_after: int | None = None
        """Take this many requests, and then close the connection without an answer, though the events were taken."""
        self.token = 0

    def answer(self, path: str, headers: Any, body: Any) -> tuple[int, dict[str, str], Any]:
        self.requests += 1
        bearer = headers["authorization"].removeprefix("Bearer ")
        if path != "/v2/billing/meter_event_stream" and bearer != KEY:
            return 401, {}, {"error": "no such key"}
        if self.trouble:
            status, told = self.trouble.pop(0)
            return status, told, {"error": "busy"}
        kind = headers["content-type"]
        match path:
            case "/v2/billing/meter_event_session":
                self.token += 1
                return 200, {}, {"authentication_token": f"token-{self.token}"}
            case "/v2/billing/meter_event_stream":
                return self._stripe(bearer, body["events"])
            case "/v1/ingest" if isinstance(body, list):
                return self._metronome(body)
            case "/v1/ingest":
                return self._orb(body["events"])
            case "/api/v1/events" if kind == "application/cloudevents-batch+json":
                return self._openmeter(body)
            case "/api/v1/events/batch":
                return self._lago(body["events"])
        return 404, {}, {"error": path}

    def _stripe(self, bearer: str, events: list[Any]) -> tuple[int, dict[str, str], Any]:
        if bearer != f"token-{self.token}":
            return 401, {}, {"error": "token expired"}
        for event in events:
            age = datetime.now(UTC) - datetime.fromisoformat(event["timestamp"])
            digits = Decimal(event["payload"]["value"]).as_tuple().digits
            if not all(isinstance(value, str) for value in event["payload"].values()) or len(digits) > 15:
                return 400, {}, {"error": "value"}
            if not -300 <= age.total_seconds() <= 35 * 86400 or not event["payload"]["stripe_customer_id"].startswith("cus_"):
                return 400, {}, {"error": "timestamp or customer"}
        return self._take(events, "identifier", most=100)

    def _orb(self, events: list[Any]) -> tuple[int, dict[str, str], Any]:
        wrong = [
            {"idempotency_key": event["idempotency_key"], "validation_errors": ["nested"]}
            for event in events
            if any(isinstance(value, dict | list) for value in event["properties"].values())
        ]
        if wrong:
            return 400, {}, {"validation_failed": wrong}
        return self._take(events, "idempotency_key", most=500)

    def _metronome(self, events: list[Any]) -> tuple[int, dict[str, str], Any]:
        for event in events:
            age = datetime.now(UTC) - datetime.fromisoformat(event["timestamp"])
            if (
                age.days > 34
                or len(event["transaction_id"]) > 128
                or not all(isinstance(each, str) for each in event["properties"].values())
            ):
                return 400, {}, {"message": "event"}
        return self._take(events, "transaction_id", most=100)

    def _openmeter(self, events: list[Any]) -> tuple[int, dict[str, str], Any]:
        if any(event["specversion"] != "1.0" or not event["subject"] or not event["source"] for event in events):
            return 400, {}, {"detail": "event"}
        return self._take(events, "id", most=100)

    def _lago(self, events: list[Any]) -> tuple[int, dict[str, str], Any]:
        known = {
            str(n): {"transaction_id": ["value_already_exist"]} for n, event in enumerate(events) if event["transaction_id"] in self.taken
        }
        if known:
            return 422, {}, {"status": 422, "error_details": known}
        for event in events:
            Decimal(event["precise_total_amount_cents"])
        return self._take(events, "transaction_id", most=100)

    def _take(self, events: list[Any], key: str, most: int) -> tuple[int, dict[str, str], Any]:
        if len(events) > most:
            return 400, {}, {"error": "too many"}
        for event in events:
            self.taken.setdefault(event[key], event)
        return 200, {}, {}


@contextmanager
def billing_system() -> Iterator[tuple[BillingSystem, str]]:
    """A stand-in that runs, and its address."""
    system = BillingSystem()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, headers, said = system.answer(self.path, self.headers, body)
            if system.cut_after is not None and system.requests > system.cut_after:
                self.close_connection = True
                return
            raw = json.dumps(said).encode()
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(raw)), "content-type": "application/json"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield system, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
