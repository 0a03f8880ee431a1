"""Settlement: from every span of some traces to the calls to be charged, each once, by structure and not by name.

`settle` is a pure function of the set of spans: neither their order nor their batches nor the time of arrival counts.
The rules, in the order they are applied (DESIGN "Settle"):

1. Inference spans with one authentic response id are one call where model, counts and times agree.
2. Inference spans that an emitter detached from each other are one call: no common response id, equal counts and an
   agreeing model, one service, different tellers, one span's time within the other's (or side by side under one parent);
   paired one to one. A span that tells no usage goes to the call that another teller tells of beside it, where parent, operation,
   model, outcome and time agree.
3. An inference span with exactly one call nested below it, with no tool or agent between, is that call told again;
   one with several below it, or with an agent between, restates them: an aggregate.
4. The fullest span of a call is its charge; the others lend what it lacks and are suppressed, on record.
5. An aggregate with usage is a charge only if nothing below it is, and then for the silent calls below it too.
6. Calls on the two sides of a tool are distinct.
7. A charge that names no model takes that of the nearest aggregate above it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from spanledger.enrich.charge import RETRIEVED, Charge
from spanledger.enrich.inherit import Inheritance, lend_payers, own_payers
from spanledger.enrich.merge import bears_usage, fullest, merged_call, standing_call, teller
from spanledger.enrich.meters import parted, surface_of
from spanledger.enrich.model_above import with_models
from spanledger.enrich.plain_trace import plain_charges
from spanledger.enrich.records import Call, Payers, Reading
from spanledger.enrich.tellers import Tellers, identity, is_above, within

AGENT_OPERATIONS: Final = frozenset({"invoke_agent", "create_agent"})


def settle(traces: Sequence[Mapping[bytes, Reading]]) -> list[Charge]:
    """The charges of some traces (each a mapping of span id to reading) of one authority that may tell of common calls."""
    if len(traces) == 1:
        plain = plain_charges(traces[0])
        if plain is not None:
            return with_models(plain, traces)
    return with_models(settle_any(traces), traces)


def settle_any(traces: Iterable[Mapping[bytes, Reading]]) -> list[Charge]:
    """`settle` without its short way for plain traces."""
    nodes: list[Reading] = []
    up: list[int] = []
    for spans in traces:
        first = len(nodes)
        above = dict(zip(spans, range(first, first + len(spans)), strict=True)).get
        nodes += spans.values()
        up += [above(reading[3], -1) for reading in spans.values()]
    speaking = [i for i, reading in enumerate(nodes) if reading[11] is not None]
    calls = [i for i in speaking if nodes[i].kind == "inference"]
    telling = [i for i in speaking if nodes[i].kind != "inference" and nodes[i][11].usage is not None]  # type: ignore[union-attr]  # they speak
    metered = _part_metered(nodes, telling) if telling else []
    restating = [i for i in telling if bears_usage(nodes[i].call)]
    if not calls and not restating and not metered:
        return []
    settlement = _Settlement(nodes, up, calls, restating)
    charges = settlement.charges()
    return charges + [settlement.metered(*each) for each in metered] if metered else charges


def _part_metered(nodes: list[Reading], telling: Iterable[int]) -> list[tuple[int, Call, str]]:
    """Take what was metered off the spans that tell of something: (span, metered call, cost surface) of each."""
    found = []
    for i in telling:
        call = nodes[i].call
        if call is not None and (parts := parted(call)) is not None:
            rest, metered = parts
            nodes[i] = nodes[i]._replace(call=rest)
            found.append((i, metered, surface_of(call)))
    return found


class _Settlement:
    """The working state of one `settle`: spans by index, who is above whom, and which of them are one call."""

    def __init__(self, nodes: Sequence[Reading], up: Sequence[int], calls: list[int], restating: list[int]) -> None:
        self.nodes, self.up, self.calls, self.restating = nodes, up, calls, restating
        self.tellers = Tellers(nodes, up)
        self.restated: list[int] = []
        self.inherited = Inheritance(nodes, up)
        self.covered: set[int] = set()

    def charges(self) -> list[Charge]:
        """The charges, innermost calls first, then the aggregates that stand for silent ones."""
        nested = self._nested()
        if not nested and self._all_different():
            groups = [[i] for i in self.calls]
        else:
            groups = self._told_together(nested)
        nodes, up, covered = self.nodes, self.up, self.covered
        charges: list[Charge] = []
        silent: list[list[int]] = []
        told: list[int] = []
        for members in groups:
            if len(members) == 1:
                if not bears_usage(nodes[members[0]].call):
                    silent.append(members)
                    continue
                charges.append(self._alone(members[0]))
            else:
                if not any(bears_usage(nodes[i].call) for i in members):
                    silent.append(members)
                    continue
                charges.append(self._charge_of(members))
            told += members
            for i in members:  # everything above has something charged below it
                at = up[i]
                while at >= 0 and at not in covered:
                    covered.add(at)
                    at = up[at]
        able = [i for i in (*self.restating, *self.restated) if i not in covered]
        if able and told:
            able = self._without_lost_calls(able, told)
        return charges + self._standing_in(able, silent) if able or silent else charges

    def _all_different(self) -> bool:
        """Whether no two calls can be one: one teller tells of them all, and no response id comes twice."""
        nodes = self.nodes
        if len({teller(nodes[i]) for i in self.calls}) > 1:
            return False
        ids = [call.response_id for i in self.calls if (call := nodes[i].call) is not None and call.response_id is not None]
        return len(set(ids)) == len(ids)

    def _told_together(self, nested: Mapping[int, Sequence[tuple[int, bool]]]) -> list[list[int]]:
        """The calls as groups of their tellers; inference spans that restate others go to `restated`."""
        several = self._aggregates(nested, lambda i: i)  # as far as structure alone tells; twins may prove to be one
        self.tellers.group(self.calls, {outer: inner[0][0] for outer, inner in nested.items() if outer not in several})
        aggregates = self._aggregates(nested, self.tellers.find)
        chains = {outer: inner[0][0] for outer, inner in nested.items() if outer not in aggregates}
        if aggregates:
            self.restated = sorted(aggregates)
            self.tellers.group([i for i in self.calls if i not in aggregates], chains)
        else:
            for outer, inner in chains.items():
                self.tellers.join(outer, inner)
        return self.tellers.groups()

    def _nested(self) -> dict[int, list[tuple[int, bool]]]:
        """For each inference span, the nearest inference spans below it (with no tool between), and whether an agent is between."""
        nested: dict[int, list[tuple[int, bool]]] = {}
        outer_of: dict[int, tuple[int, bool]] = {-1: (-1, False)}
        for i in self.calls:
            parent = self.up[i]
            outer = outer_of.get(parent)
            if outer is None:  # siblings share the answer
                outer = outer_of[parent] = self._outer_of(parent)
            if outer[0] >= 0 and outer[0] != i:
                nested.setdefault(outer[0], []).append((i, outer[1]))
        return nested

    def _outer_of(self, at: int) -> tuple[int, bool]:
        """The nearest inference span from `at` upwards, or -1 if a tool or the root comes first; and whether an agent is between."""
        nodes, up = self.nodes, self.up
        agent, steps = False, 0
        while at >= 0 and steps < len(nodes):
            above = nodes[at]
            kind = above[6]
            if kind == "inference":
                return (at if above.call is not None else -1), agent
            if kind == "tool":
                break
            if kind == "aggregate" and above[7] in AGENT_OPERATIONS:
                agent = True
            at = up[at]
            steps += 1
        return -1, False

    def _aggregates(self, nested: Mapping[int, Sequence[tuple[int, bool]]], call_of: Callable[[int], int]) -> set[int]:
        """Inference spans that restate others: several calls below, an agent between, or the only one below restates."""
        found = {outer for outer, inner in nested.items() if len({call_of(i) for i, _ in inner}) > 1 or any(agent for _, agent in inner)}
        more = set(found)
        while more:
            more = {outer for outer, inner in nested.items() if outer not in found and any(i in found for i, _ in inner)}
            found |= more
        return found

    # -- what is charged ---------------------------------------------------------------------------------------------

    def _cover(self, i: int) -> None:
        """Everything above `i` has something charged below it."""
        at = self.up[i]
        while at >= 0 and at not in self.covered:
            self.covered.add(at)
            at = self.up[at]

    def _without_lost_calls(self, able: Sequence[int], told: Sequence[int]) -> list[int]:
        """`able` without aggregates that may restate charged calls whose way up is lost: steps between were dropped or are still to come.

        Such a call hangs on a span that is missing, in the aggregate's trace, within its time, and its counts fit into the aggregate's.
        """
        nodes = self.nodes
        lost = [(i, top) for i in told if nodes[top := self._top(i)].parent_span_id]
        for outer in able:
            top_of_outer = self._top(outer)
            if any(top != top_of_outer and _may_hold(nodes[outer], nodes[i], nodes[top]) for i, top in lost):
                self.covered.add(outer)
                self._cover(outer)
        return [i for i in able if i not in self.covered]

    def _top(self, i: int) -> int:
        """The uppermost span above `i` that is here."""
        steps = 0
        while self.up[i] >= 0 and steps < len(self.nodes):
            i, steps = self.up[i], steps + 1
        return i

    def _standing_in(self, able: Iterable[int], silent: list[list[int]]) -> list[Charge]:
        """Aggregates with usage and nothing charged below, the innermost first; then the silent calls nobody stands for."""
        able = [i for i in able if bears_usage(self.nodes[i].call)]
        standing: dict[int, list[int]] = {}
        for i in sorted(able, key=lambda i: (-self._depth(i), identity(self.nodes[i]))):
            if i not in self.covered:  # by one that stands further inside
                standing[i] = []
                self._cover(i)
        left = []
        for members in silent:
            above = next((i for i in standing if any(is_above(self.up, i, m) for m in members)), None)
            if above is None:
                left.append(members)
            else:
                standing[above] += members
        return [self._charge_of([i, *below], stands=True) for i, below in standing.items()] + [self._charge_of(m) for m in left]

    def _depth(self, i: int) -> int:
        depth, at = 0, self.up[i]
        while at >= 0 and depth < len(self.nodes):
            depth, at = depth + 1, self.up[at]
        return depth

    def _charge_of(self, members: list[int], *, stands: bool = False) -> Charge:
        if len(members) == 1 and not stands:
            return self._alone(members[0])
        if stands:
            chosen, others = members[0], members[1:]
        else:
            members = sorted(members, key=lambda i: identity(self.nodes[i]))
            best = fullest([self.nodes[i] for i in members], [self._depth(i) for i in members])
            chosen, others = members[best], members[:best] + members[best + 1 :]
        reading = self.nodes[chosen]
        told = [self.nodes[i] for i in others]
        call = standing_call(reading, told) if stands else merged_call(reading, told)
        payers, source = self._payers(chosen, others)
        return Charge(
            reading,
            call,
            payers,
            source,
            tuple(sorted(identity(self.nodes[i]) for i in others)),
            self._surface(chosen),
            "aggregate" if stands else (call.usage_state if bears_usage(call) else "missing"),
            stands,
        )

    def _alone(self, i: int) -> Charge:
        """The charge of a call told by one span."""
        reading = self.nodes[i]
        call = reading.call
        if call is None:
            raise ValueError("a charge without a call")
        payers, source = self.inherited.payers_and_source(i)
        surface = self._surface(i) if reading.operation in RETRIEVED else "inference"
        state = call.usage_state if bears_usage(call) else "missing"
        return tuple.__new__(Charge, (reading, call, payers, source, (), surface, state, False))  # spares the copy of the constructor

    def metered(self, i: int, call: Call, surface: str) -> Charge:
        """The charge of what a meter counts on a span, beside whatever is charged of its usage."""
        payers = self.inherited.of(i)
        source = self.inherited.tenant_source(i, payers.tenant)
        return Charge(self.nodes[i], call, payers, source, (), surface, call.usage_state, False)

    def _payers(self, chosen: int, others: Sequence[int]) -> tuple[Payers, str | None]:
        """The charge's own claims, then its tellers' own, then what each inherits; and where the tenant was found."""
        payers = own_payers(self.nodes[chosen])
        sources = [chosen, *others]
        for i in others:
            payers = lend_payers(payers, own_payers(self.nodes[i]))
        for i in sources:
            payers = lend_payers(payers, self.inherited.of(i))
        for i in sources:
            source = self.inherited.tenant_source(i, payers.tenant)
            if source is not None:
                return payers, source if i == chosen else f"twin:{source.partition(':')[2]}"
        return payers, None

    def _surface(self, i: int) -> str:
        """Embeddings and rerank whose nearest tool, agent or retrieval above is a retrieval belong to memory retrieval."""
        if self.nodes[i].operation not in RETRIEVED:
            return "inference"
        at, steps = self.up[i], 0
        while at >= 0 and steps < len(self.nodes):
            above = self.nodes[at]
            if above.kind == "retrieval":
                return "memory_retrieval"
            if above.kind == "tool" or above.operation in AGENT_OPERATIONS:
                break
            at, steps = self.up[at], steps + 1
        return "inference"


def _may_hold(outer: Reading, call: Reading, top: Reading) -> bool:
    """Whether an aggregate may have `call` below it, of whose way up `top` is the last span that is known."""
    whole, part = outer.call, call.call
    if outer.trace_id != call.trace_id or whole is None or part is None or whole.usage is None or part.usage is None:
        return False
    fits = (part.usage.input_tokens or 0) <= (whole.usage.input_tokens or 0) and (part.usage.output_tokens or 0) <= (
        whole.usage.output_tokens or 0
    )
    return fits and within(top, outer)
