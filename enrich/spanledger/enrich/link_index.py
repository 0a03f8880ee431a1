"""Which traces in memory may tell of the same calls: by response id, and by equal counts where a service has several tellers.

Most services are instrumented once. Theirs is one teller, nobody can repeat what it tells under another name, and only the
response ids are kept; when a second teller shows up, the calls of that service are entered by their counts, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar

from spanledger.enrich.links import TWIN_BUCKET_NS, probe_keys, response_key
from spanledger.enrich.merge import teller
from spanledger.enrich.open_traces import TraceKey
from spanledger.enrich.records import DAY_NS, Reading

Partner = tuple[TraceKey, int]
"""A trace, and a day (UTC, since 1970) to find it on."""
_Service = tuple[str, str | None]
_Counted = tuple[str, str | None, int, int, int]
_SCANS_MAX: Final = 16
_SERVICES_MAX: Final = 10_000
"""Senders choose the names of services: beyond so many, or so many looks through memory, every service counts as having several tellers."""
_At = TypeVar("_At")
_Entry = TypeVar("_Entry", bound=tuple[Any, ...])


class LinkIndex:
    """Entries are (trace, teller, day). `held` gives every reading in memory: asked when a service turns out to have two tellers.

    `tellers` None: they are unknown or too many, and every service is taken to have several.
    """

    def __init__(
        self, held: Callable[[], Iterable[Reading]], tellers: Iterable[tuple[str, str | None, tuple[str, str]]] | None = ()
    ) -> None:
        self._held = held
        self._by_response: dict[tuple[str, str], list[Partner]] = {}
        self._by_counts: dict[_Counted, list[tuple[TraceKey, tuple[str, str], int]]] = {}
        self._tellers: dict[_Service, tuple[str, str] | None] = {}
        """The only teller of a service so far, in memory or in the ledger; None where there are several."""
        self._scans = 0
        self._all_several = tellers is None
        for authority, named, who in tellers or ():
            self._tellers[authority, named] = who if self._tellers.get((authority, named), who) == who else None

    def add(self, readings: Iterable[Reading]) -> list[tuple[Reading, Partner]]:
        """Enter inference spans; the other traces that may tell of their calls, each with the span it was found by."""
        found: list[tuple[Reading, Partner]] = []
        by_response, tellers = self._by_response, self._tellers
        for reading in readings:
            authority, call = reading[0], reading[11]
            if call is None:
                continue
            response_id = call[5]
            if response_id is not None and call[6]:
                key, response = (authority, reading[1]), (authority, response_id)
                entry = key, reading[4] // DAY_NS
                known = by_response.get(response)
                if known is None:
                    by_response[response] = [entry]
                else:
                    found += [(reading, partner) for partner in known if partner[0] != key]
                    known.append(entry)
            only = tellers.get((authority, reading[9][0]))
            if only is not None and only[0] == reading[8] and only[1] == call[0]:  # the usual case, without a call
                continue
            if self._has_several(authority, reading):
                found += [(reading, partner) for partner in self._twins(reading)]
                self._enter(reading)
        return found

    def keys_to_ask(self, reading: Reading) -> tuple[int, ...]:
        """The link keys by which the ledger may know of other tellers of a call: none by its counts while its service has one teller."""
        if self._all_several or self._tellers.get((reading.authority, reading.resource.service), ()) is None:
            return probe_keys(reading)
        key = response_key(reading)
        return () if key is None else (key,)

    def _has_several(self, authority: str, reading: Reading) -> bool:
        if self._all_several:
            return True
        service = (authority, reading.resource.service)
        only, who = self._tellers.get(service, ()), teller(reading)
        if only == who:
            return False
        if only == ():
            if len(self._tellers) >= _SERVICES_MAX:
                return self._give_up(reading)
            self._tellers[service] = who
            return False
        if only is not None:
            if self._scans >= _SCANS_MAX:
                return self._give_up(reading)
            self._scans += 1
            self._tellers[service] = None
            for each in self._held():
                if each is not reading and each.kind == "inference" and (each.authority, each.resource.service) == service:
                    self._enter(each)
        return True

    def _give_up(self, reading: Reading) -> bool:
        """Telling services apart costs more than it saves: enter every call by its counts, once and from now on."""
        self._all_several = True
        self._tellers.clear()
        self._by_counts.clear()
        for each in self._held():
            if each is not reading and each.kind == "inference":
                self._enter(each)
        return True

    def _twins(self, reading: Reading) -> Iterator[Partner]:
        key, who = (reading.authority, reading.trace_id), teller(reading)
        for bucket in (-1, 0, 1):
            counted = _counted(reading, bucket)
            for other, its_teller, day in () if counted is None else self._by_counts.get(counted, ()):
                if other != key and its_teller != who:
                    yield other, day

    def _enter(self, reading: Reading) -> None:
        counted = _counted(reading)
        if counted is not None:
            entry = (reading.authority, reading.trace_id), teller(reading), reading.start_ns // DAY_NS
            entries = self._by_counts.setdefault(counted, [])
            if entry not in entries[-4:]:  # entered by `_held` already
                entries.append(entry)

    def remove(self, key: TraceKey, readings: Iterable[Reading]) -> None:
        """Forget the inference spans of a trace."""
        for reading in readings:
            call = reading.call
            if call is None or reading.kind != "inference":
                continue
            if call.response_id is not None:
                _leave(self._by_response, (key[0], call.response_id), key)
            counted = _counted(reading)
            if counted is not None and self._by_counts:
                _leave(self._by_counts, counted, key)


def _counted(reading: Reading, bucket_offset: int = 0) -> _Counted | None:
    """What two tellers of one call agree on: authority, service, input, output and the minute of the start, or the next."""
    usage = reading.call.usage if reading.call is not None else None
    if usage is None or not (usage.input_tokens or usage.output_tokens):
        return None
    bucket = reading.start_ns // TWIN_BUCKET_NS + bucket_offset
    return reading.authority, reading.resource.service, usage.input_tokens or 0, usage.output_tokens or 0, bucket


def _leave(index: dict[_At, list[_Entry]], at: _At, key: TraceKey) -> None:
    left = [entry for entry in index.get(at, ()) if entry[0] != key]
    if left:
        index[at] = left
    else:
        index.pop(at, None)
