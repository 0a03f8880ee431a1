"""Who may send, how much at once, and what a sender is told when not: permanent or retryable is decided here, once.

gRPC and HTTP only translate a Refusal. The codes are those of the OTLP specification ("Failures", "OTLP/gRPC Throttling",
"OTLP/HTTP Throttling"): a client drops the data on a permanent one, and comes back after a retryable one.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Final, NamedTuple, Self

import grpc

from spanledger.enrich.grants import DEFAULT_AUTHORITY, Grant
from spanledger.receiver.config import ReceiverConfig, is_loopback_host
from spanledger.receiver.errors import MalformedRequest, TooLarge, UnsupportedEncoding
from spanledger.receiver.journal import JournalUnavailable

_log = logging.getLogger(__name__)
STORE_SECONDS: Final = 1.0
"""How old what the store says of a key may be: a second of the time within which a revoked one is refused is the store's."""
_CACHE_SIZE = 4096
_PLACES_MAX = 256
_told: dict[tuple[str, str], int] = {}
_telling = threading.Lock()
KEYLESS = Grant(key_id="", authority=DEFAULT_AUTHORITY, tenant=None, scopes=frozenset({"ingest"}))
"""What everyone has on a server without keys, which only this machine can reach."""
KEY_HEADERS = ("x-spanledger-key", "authorization", "x-api-key")


class Refusal(NamedTuple):
    """An answer other than yes. `reason` is a metric label; `is_retryable` says whether the sender should come back."""

    reason: str
    grpc_code: grpc.StatusCode
    http_status: int
    is_retryable: bool = False


_Code = grpc.StatusCode
MALFORMED = Refusal("malformed", _Code.INVALID_ARGUMENT, 400)
TOO_LARGE = Refusal("too_large", _Code.RESOURCE_EXHAUSTED, 413)
UNSUPPORTED = Refusal("unsupported_encoding", _Code.INVALID_ARGUMENT, 415)
UNAUTHENTICATED = Refusal("unauthenticated", _Code.UNAUTHENTICATED, 401)
FORBIDDEN = Refusal("forbidden", _Code.PERMISSION_DENIED, 403)
NOT_FOUND = Refusal("not_found", _Code.UNIMPLEMENTED, 404)
NOT_ALLOWED = Refusal("method_not_allowed", _Code.UNIMPLEMENTED, 405)
SLOW = Refusal("slow_body", _Code.DEADLINE_EXCEEDED, 408)
NO_MESSAGE = Refusal("no_message", _Code.DEADLINE_EXCEEDED, 408)
OVERLOADED = Refusal("overloaded", _Code.UNAVAILABLE, 503, is_retryable=True)
JOURNAL = Refusal("journal_unavailable", _Code.UNAVAILABLE, 503, is_retryable=True)
STOPPING = Refusal("stopping", _Code.UNAVAILABLE, 503, is_retryable=True)
INTERNAL = Refusal("internal", _Code.UNAVAILABLE, 503, is_retryable=True)  # a fault of ours must not cost the sender its data


class Refused(Exception):  # noqa: N818 - it is an answer, not an error
    """Ends the handling of a request with a Refusal and a sentence for the sender."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal
        self.message = message


def refused(error: BaseException) -> Refused:
    """What the sender is told about an exception; never a word of what it sent."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, MalformedRequest):
        return Refused(MALFORMED, str(error))
    if isinstance(error, TooLarge):
        return Refused(TOO_LARGE, str(error))
    if isinstance(error, UnsupportedEncoding):
        return Refused(UNSUPPORTED, str(error))
    if isinstance(error, JournalUnavailable | TimeoutError):
        return Refused(JOURNAL, "the request could not be stored; try again")
    request = secrets.token_hex(6)
    _tell(type(error).__name__, "".join(traceback.format_tb(error.__traceback__)), request)
    return Refused(INTERNAL, f"the server failed on this request ({request}); try again")


def _tell(kind: str, where: str, request: str) -> None:
    """Log a fault of ours with the id that the sender is told; without its message, which may quote what was sent.

    Of the faults at one place the first, the second, the fourth and so on are told: a sender that tries again must not fill the disk.
    """
    with _telling:
        if len(_told) >= _PLACES_MAX:
            _told.clear()
        times = _told[kind, where] = _told.get((kind, where), 0) + 1
    if times & (times - 1) == 0:
        _log.error(
            "receiving failed with %s, for the %d. time; the sender is told to try again. It happened in\n%s",
            kind,
            times,
            where,
            extra={"request": request},
        )


def secret_of(header: Callable[[str], str | None]) -> str | None:
    """The API key of a request: `x-spanledger-key`, `Authorization: Bearer …` or `x-api-key`; `header` takes lower-case names."""
    for name in KEY_HEADERS:
        value = header(name)
        if not value:
            continue
        if name == "authorization":
            scheme, _, value = value.partition(" ")
            if scheme.lower() != "bearer":
                continue
        if value.strip():
            return value.strip()
    return None


class _Cached(NamedTuple):
    until: float
    grant: Grant | None


class Admission:
    """Checks keys and bounds what is in flight. Safe to use from many threads.

    `find_key` and `has_keys` ask the store; answers are trusted within `key_cache_seconds`. Without any key everyone is let in
    as the default account, but only while every address is a loopback one.
    """

    def __init__(
        self,
        config: ReceiverConfig,
        find_key: Callable[[str], Grant | None],
        has_keys: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find_key = find_key
        self._has_keys = has_keys
        self._clock = clock
        self._cache_seconds = max(0.0, config.key_cache_seconds - STORE_SECONDS)
        self._open_allowed = config.is_loopback_only
        self._in_flight_max = config.max_in_flight_mib << 20
        self._lock = threading.Lock()
        self._cache: dict[bytes, _Cached] = {}
        self._keys_exist = True
        self._keys_asked_until = float("-inf")
        self._in_flight = 0
        self._stopping = False

    # -- keys -----------------------------------------------------------------------------------------------------------

    def authenticate(self, secret: str | None, host: str | None = None) -> Grant:
        """The grant that a request acts under, or Refused. `host` is the HTTP Host header, None for gRPC."""
        self.check_running()
        if not self._require_keys():
            # A web page that a browser on this machine shows could reach a loopback server under a name of its own.
            if host is not None and not is_loopback_host(_host_name(host)):
                raise Refused(FORBIDDEN, "without API keys only requests to localhost are accepted")
            return KEYLESS
        if secret is None:
            raise Refused(UNAUTHENTICATED, "an API key is needed: Authorization: Bearer <key>, or x-api-key")
        grant = self._grant(secret)
        if grant is None:
            raise Refused(UNAUTHENTICATED, "the API key is not known, was revoked or has expired")
        if "ingest" not in grant.scopes:
            raise Refused(FORBIDDEN, "the API key does not have the scope ingest")
        return grant

    def _require_keys(self) -> bool:
        if not self._open_allowed:
            return True
        now = self._clock()
        if now >= self._keys_asked_until:
            self._keys_exist = self._has_keys()
            self._keys_asked_until = now + self._cache_seconds
        return self._keys_exist

    def _grant(self, secret: str) -> Grant | None:
        digest = hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()  # the key itself stays out of the cache
        now = self._clock()
        cached = self._cache.get(digest)
        if cached is not None and now < cached.until:
            return cached.grant
        grant = self._find_key(secret)
        with self._lock:
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.clear()
            self._cache[digest] = _Cached(now + self._cache_seconds, grant)
        return grant

    # -- bounds ---------------------------------------------------------------------------------------------------------

    def hold(self, size_bytes: int = 0) -> Held:
        """Room for a body, given back at the end of the `with`; Refused as overload when there is none."""
        held = Held(self)
        held.grow(size_bytes)
        return held

    def stop(self) -> None:
        """Refuse every further request, to be tried again elsewhere or later."""
        self._stopping = True

    def check_running(self) -> None:
        """Raise Refused once the server stops."""
        if self._stopping:
            raise Refused(STOPPING, "the server is stopping; try again")

    @property
    def in_flight_bytes(self) -> int:
        """What bodies take at this moment."""
        return self._in_flight

    def _take(self, size_bytes: int) -> None:
        with self._lock:
            if self._in_flight + size_bytes > self._in_flight_max:
                raise Refused(OVERLOADED, "too much is in flight; try again")
            self._in_flight += size_bytes

    def _give_back(self, size_bytes: int) -> None:
        with self._lock:
            self._in_flight -= size_bytes


class Held:
    """A request's part of what may be in flight."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._size_bytes = 0
        self._queued: Future[int] | None = None

    def grow(self, size_bytes: int) -> None:
        """Take more; Refused as overload when there is none left."""
        self._admission._take(size_bytes)
        self._size_bytes += size_bytes

    def keep_until(self, queued: Future[int]) -> None:
        """Keep the room until this is done, also when the request ends before: a disk that hangs leaves what is queued in memory."""
        self._queued = queued

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._queued is None:
            self._admission._give_back(self._size_bytes)
        else:
            self._queued.add_done_callback(lambda _: self._admission._give_back(self._size_bytes))  # now, if it is done


def _host_name(host: str) -> str:
    """The name in a Host header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
