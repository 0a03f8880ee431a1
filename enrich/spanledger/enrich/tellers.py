"""Which spans tell of one call: groups of tellers, joined by response id, by nesting, and as twins that an emitter detached.

Certain joins come first, so that a call that somebody already tells of pairs with nobody like them: calls at the same time with equal
counts stay apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from spanledger.enrich.links import TWIN_BUCKET_NS
from spanledger.enrich.merge import bears_usage, counts_agree, models_agree, teller
from spanledger.enrich.records import Reading

CLOCK_SLACK_NS: Final = 1_000_000
"""Clocks that round to milliseconds (JavaScript's do) put a span this far outside the one that it is inside of."""


class Tellers:
    """Groups of spans by index; `up[i]` is the parent's index or -1."""

    def __init__(self, nodes: Sequence[Reading], up: Sequence[int]) -> None:
        self._nodes, self._up = nodes, up
        self._leader: dict[int, int] = {}

    def group(self, calls: Sequence[int], chains: Mapping[int, int]) -> None:
        """Group these inference spans anew; `chains` are spans and the one nested in each that tells of the same call."""
        self._leader = {i: i for i in calls}
        self._join_by_response_id()
        for outer, inner in chains.items():
            self.join(outer, inner)
        self._join_twins()
        self._join_silent()

    def find(self, i: int) -> int:
        """The one that stands for the group of a span."""
        while self._leader[i] != i:
            self._leader[i] = i = self._leader[self._leader[i]]
        return i

    def join(self, one: int, other: int) -> None:
        """Say that two spans tell of one call."""
        a, b = self.find(one), self.find(other)
        if a != b:
            self._leader[max(a, b)] = min(a, b)

    def groups(self) -> list[list[int]]:
        """The groups, each in the order of its spans."""
        groups: dict[int, list[int]] = {}
        for i in self._leader:
            groups.setdefault(self.find(i), []).append(i)
        return list(groups.values())

    def _join_by_response_id(self) -> None:
        by_id: dict[str, list[int]] = defaultdict(list)
        for i in self._leader:
            call = self._nodes[i].call
            if call is not None and call.response_id is not None and call.response_id_unique:
                by_id[call.response_id].append(i)
        for same in by_id.values():
            for n, i in enumerate(same):
                for j in same[:n]:
                    if _one_response(self._nodes[i], self._nodes[j]):
                        self.join(i, j)

    def _join_twins(self) -> None:
        """Pair detached tellers one to one: closest in time first, a call never taking two spans of one teller."""
        buckets: dict[tuple[str | None, int, int], list[int]] = defaultdict(list)
        for i in self._leader:
            call = self._nodes[i].call
            if call is not None and call.usage is not None and bears_usage(call):
                usage = call.usage
                buckets[self._nodes[i].resource.service, usage.input_tokens or 0, usage.output_tokens or 0].append(i)
        pairing = [bucket for bucket in buckets.values() if len(bucket) > 1 and len({teller(self._nodes[i]) for i in bucket}) > 1]
        if not pairing:
            return
        tellers: dict[int, set[tuple[str, str]]] = defaultdict(set)
        ids: dict[int, set[str]] = defaultdict(set)
        for i in self._leader:
            call = self._nodes[i].call
            tellers[self.find(i)].add(teller(self._nodes[i]))
            if call is not None and call.response_id is not None and call.response_id_unique:
                ids[self.find(i)].add(call.response_id)
        for bucket in pairing:
            self._pair(bucket, tellers, ids)

    def _pair(self, bucket: Sequence[int], tellers: dict[int, set[tuple[str, str]]], ids: dict[int, set[str]]) -> None:
        nodes = self._nodes
        edges = [
            (
                nodes[i].trace_id != nodes[j].trace_id,
                _distance_ns(nodes[i], nodes[j]),
                min(identity(nodes[i]), identity(nodes[j])),
                max(identity(nodes[i]), identity(nodes[j])),
                i,
                j,
            )
            for n, i in enumerate(bucket)
            for j in bucket[:n]
            if _detached_twins(nodes[i], nodes[j])
        ]
        for *_, i, j in sorted(edges):
            a, b = self.find(i), self.find(j)
            if a == b or tellers[a] & tellers[b] or (ids[a] and ids[b]) or is_above(self._up, i, j) or is_above(self._up, j, i):
                continue
            self.join(i, j)
            tellers[self.find(i)], ids[self.find(i)] = tellers[a] | tellers[b], ids[a] | ids[b]

    def _join_silent(self) -> None:
        """Give a span that tells no usage to the call that another teller tells of beside it, one to one, closest in time first.

        Without counts more must agree than of twins: the parent, the operation, the model by name, the outcome and the time.
        """
        nodes = self._nodes
        silent = {i for i in self._leader if not bears_usage(nodes[i].call)}
        if not silent:
            return
        beside: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for i in self._leader:
            node = nodes[i]
            if node.parent_span_id:
                beside[node.trace_id, node.parent_span_id, node.operation, node.failed, node.resource.service].append(i)
        edges: list[tuple[int, tuple[object, ...], int, int]] = [
            (_distance_ns(nodes[i], nodes[j]), tuple(sorted((identity(nodes[i]), identity(nodes[j])))), i, j)
            for calls in beside.values()
            if len({teller(nodes[i]) for i in calls}) > 1
            for i, j in self._at_once(calls)
            if (i in silent or j in silent) and _silent_twins(nodes[i], nodes[j])
        ]
        if not edges:
            return
        members = {self.find(group[0]): group for group in self.groups()}
        for _, _, i, j in sorted(edges):
            a, b = self.find(i), self.find(j)
            mine, theirs = members[a], members[b]
            able = silent.issuperset(mine) or silent.issuperset(theirs)
            if a == b or not able or {teller(nodes[k]) for k in mine} & {teller(nodes[k]) for k in theirs}:
                continue
            self.join(i, j)
            members[self.find(i)] = mine + theirs

    def _at_once(self, calls: Sequence[int]) -> Iterator[tuple[int, int]]:
        """The pairs of spans that overlap in time, as far as clocks tell."""
        nodes = self._nodes
        running: list[int] = []
        for i in sorted(calls, key=lambda i: (nodes[i].start_ns, identity(nodes[i]))):
            running = [j for j in running if nodes[i].start_ns <= nodes[j].end_ns + CLOCK_SLACK_NS]
            yield from ((i, j) for j in running)
            running.append(i)


def is_above(up: Sequence[int], one: int, other: int) -> bool:
    """Whether one span is an ancestor of another. Parent cycles end quietly."""
    at, steps = up[other], 0
    while at >= 0 and steps < len(up):
        if at == one:
            return True
        at, steps = up[at], steps + 1
    return False


def identity(reading: Reading) -> tuple[bytes, bytes]:
    """(trace id, span id)."""
    return reading.trace_id, reading.span_id


def within(inner: Reading, outer: Reading) -> bool:
    """Whether one span's time is within another's, as clocks tell that round to milliseconds (JavaScript's do)."""
    return outer.start_ns <= inner.start_ns + CLOCK_SLACK_NS and inner.end_ns <= outer.end_ns + CLOCK_SLACK_NS


def _distance_ns(one: Reading, other: Reading) -> int:
    return abs(one.start_ns - other.start_ns) + abs(one.end_ns - other.end_ns)


def _overlap(one: Reading, other: Reading) -> bool:
    return one.start_ns <= other.end_ns and other.start_ns <= one.end_ns


def _one_response(one: Reading, other: Reading) -> bool:
    """Whether two spans with one response id tell of one call: ids alone are not unique everywhere."""
    if one.call is None or other.call is None:
        return False
    return _overlap(one, other) and models_agree(one.call, other.call) and counts_agree(one.call, other.call)


def _detached_twins(one: Reading, other: Reading) -> bool:
    """Whether two spans with equal counts in one service are one call told by two tellers that share no id."""
    a, b = one.call, other.call
    if a is None or b is None or teller(one) == teller(other):
        return False
    if one.key_tenant != other.key_tenant and one.key_tenant is not None and other.key_tenant is not None:
        return False  # sent under keys of two tenants: two processes, two calls, however alike
    if a.response_id and b.response_id and a.response_id_unique and b.response_id_unique:
        return False
    if abs(one.start_ns - other.start_ns) > TWIN_BUCKET_NS:
        return False
    together = within(one, other) or within(other, one) or _siblings(one, other) or _told_later(one, other) or _told_later(other, one)
    return together and models_agree(a, b)


def _silent_twins(one: Reading, other: Reading) -> bool:
    """Whether of two spans side by side, alike but that one tells no usage, each may tell of the other's call."""
    a, b = one.call, other.call
    if a is None or b is None or teller(one) == teller(other):
        return False
    if one.key_tenant != other.key_tenant and one.key_tenant is not None and other.key_tenant is not None:
        return False
    if a.response_id and b.response_id and a.response_id_unique and b.response_id_unique:
        return False
    named = (a.response_model or a.request_model) and (b.response_model or b.request_model)
    return bool(named) and models_agree(a, b) and (within(one, other) or within(other, one))


def _told_later(said: Reading, made: Reading) -> bool:
    """Whether a span of an emitter that tells of calls after they have ended began after the other one's end."""
    return said.call is not None and "call_time_untold" in said.call.flags and made.end_ns <= said.start_ns + CLOCK_SLACK_NS


def _siblings(one: Reading, other: Reading) -> bool:
    """Whether two spans stand side by side under one parent.

    A framework may end its span when it hands out a stream, before the SDK's span of the same call begins (OpenInference
    LlamaIndex 4.6); both still hang on the step that made the call.
    """
    return bool(one.parent_span_id) and one.parent_span_id == other.parent_span_id and one.trace_id == other.trace_id
