"""Judges the net events of a meter against the provider calls that a captured program really made.

    python tests/conformance/judge.py EVENTS [CASES]

EVENTS holds FAMILY/SCENARIO.jsonl, one event a line with the keys of `README.md`; CASES is the folder of the cases. Prints a line a case
that is wrong and the totals, and exits 0 when all is exact. Uses the standard library alone, so that any meter can be judged.

A call is exact when an event of its own has all its counts that are on the wire. An event with usage that belongs to no call is left
over: money charged twice or made up. Three kinds of left-over events are fine, each at most once a call, and only for calls whose own
usage never reached the wire ("hidden"): an aggregate with their sum, an event whose emitter told one of the two totals wrong, and an
event marked estimated or partial of about their size.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any, Final, NamedTuple

Event = Mapping[str, Any]
Call = Mapping[str, Any]

COUNTS: Final = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
)
PAYERS: Final = (("tenant", "tenant_id"), ("session", "session_id"), ("user", "user_id"))
NOBODY: Final = (None, "", "unattributed")
_TOGETHER_MAX: Final = 8
"""Calls that one aggregate may stand for: enough for the captures, and keeps the search small."""


class Verdict(NamedTuple):
    """What was found in one case, or the sum of several. `problems` holds a line for everything that is not as it should be."""

    calls: int = 0
    exact: int = 0
    left_over: int = 0
    payer: int = 0
    payer_of: int = 0
    cost: int = 0
    cost_of: int = 0
    problems: tuple[str, ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether every call was found with its counts, and nothing else."""
        return self.exact == self.calls and not self.left_over

    @property
    def is_perfect(self) -> bool:
        """Whether there is nothing at all to complain of."""
        return self.is_exact and self.payer == self.payer_of and self.cost == self.cost_of and not self.problems

    def plus(self, other: Verdict) -> Verdict:
        """Both together."""
        return Verdict(
            self.calls + other.calls,
            self.exact + other.exact,
            self.left_over + other.left_over,
            self.payer + other.payer,
            self.payer_of + other.payer_of,
            self.cost + other.cost,
            self.cost_of + other.cost_of,
            self.problems + other.problems,
        )


def judge(events: Sequence[Event], expected: Mapping[str, Any]) -> Verdict:
    """Hold the net events of a case against its `expected.json`."""
    left = [event for event in events if bears_money(event)]
    known = [call for call in expected["calls"] if call.get("metered") and any(call.get(key) for key in COUNTS)]
    verdict = Verdict(calls=len(known))
    if expected.get("tenant_absent"):
        verdict = verdict.plus(_nobody_made_up(left))
    for call in sorted(known, key=_freedom):
        event = best_match(left, call)
        if event is None:
            verdict = verdict.plus(Verdict(problems=(f"{_name(call)}: no event has {_counts(call)}",)))
        else:
            left.remove(event)
            verdict = verdict.plus(_held_against(event, call))
    for event in _unexplained(left, [call for call in expected["calls"] if call.get("true")]):
        verdict = verdict.plus(
            Verdict(left_over=1, problems=(f"left over: {event.get('operation')} span {event.get('span_id')} {_counts(event)}",))
        )
    return verdict


def bears_money(event: Event) -> bool:
    """Whether an event charges anything: tokens, or money without tokens (which only a rerank may cost in these captures)."""
    return any(count(event, key) for key in COUNTS) or (cost_of(event) not in (None, 0) and "rerank" not in str(event.get("operation")))


def count(event: Event, key: str) -> int:
    """A count of an event; absent is none."""
    return int(event.get(key) or 0)


def cost_of(event: Event) -> Decimal | None:
    """The cost of an event, None if it is unpriced."""
    text = event.get("cost_usd")
    return None if text is None else Decimal(text)


def fits(event: Event, call: Call) -> bool:
    """Whether an event can be this call: every count that is on the wire is equal, and so is the response id where both have one."""
    mine, theirs = event.get("response_id"), call.get("response_id")
    return not (mine and theirs and mine != theirs) and all(call.get(key) is None or count(event, key) == call[key] for key in COUNTS)


def best_match(events: Sequence[Event], call: Call) -> Event | None:
    """The event to take for a call: of those that fit, one of its model, then one with its payers."""

    def rank(event: Event) -> tuple[bool, int]:
        return (not is_of_model(event, call), len(_wrong_payers(event, call)))

    return min((event for event in events if fits(event, call)), key=rank, default=None)


def is_of_model(event: Event, call: Call) -> bool:
    """Whether some model name of the event begins or ends like one of the call: prefixes and dates come and go."""
    told, real = _models(event), _models(call)
    return any(a.startswith(b) or b.startswith(a) or a.endswith(b) or b.endswith(a) for a in told for b in real)


def _models(record: Mapping[str, Any]) -> list[str]:
    names = (record.get("response_model"), record.get("request_model"))
    return [str(name).lower().rsplit("/", 1)[-1] for name in names if name]


def _freedom(call: Call) -> int:
    """How many counts of a call are not on the wire: calls with fewer choose first."""
    return sum(call.get(key) is None for key in COUNTS)


def _held_against(event: Event, call: Call) -> Verdict:
    """The verdict on the event that was taken for a call."""
    problems = []
    if call.get("model_on_wire", True) and not is_of_model(event, call):
        problems.append(f"{_name(call)}: model {event.get('response_model') or event.get('request_model')}")
    wrong = _wrong_payers(event, call)
    if wrong:
        problems.append(f"{_name(call)}: " + ", ".join(wrong))
    has_payer = any(call.get(name) for name, _ in PAYERS)
    cost_is_right = _cost_is_right(event, call)
    if cost_is_right is False:
        problems.append(f"{_name(call)}: cost {event.get('cost_usd')} for {call.get('cost_usd') or 'about ' + str(call['true_cost_usd'])}")
    return Verdict(
        exact=1,
        payer=int(has_payer and not wrong),
        payer_of=int(has_payer),
        cost=int(cost_is_right is True),
        cost_of=int(cost_is_right is not None),
        problems=tuple(problems),
    )


def _wrong_payers(event: Event, call: Call) -> list[str]:
    return [f"{key}={event.get(key)!r} for {call[name]!r}" for name, key in PAYERS if call.get(name) and event.get(key) != call[name]]


def _cost_is_right(event: Event, call: Call) -> bool | None:
    """Whether the cost is the one known to the last digit, or of its order where the wire does not tell all; None: nothing to say."""
    cost = cost_of(event)
    if call.get("cost_usd") is not None:
        return cost is not None and cost == Decimal(call["cost_usd"])
    if call.get("true_cost_usd") and cost is not None:
        real = Decimal(call["true_cost_usd"])
        return real / 20 <= cost <= real * 5
    return None


def _nobody_made_up(events: Sequence[Event]) -> Verdict:
    """For a case without a tenant on the wire: nobody may be charged by name."""
    made_up = [event for event in events if event.get("tenant_id") not in NOBODY]
    problems = tuple(f"span {event.get('span_id')}: tenant {event['tenant_id']!r} is nowhere on the wire" for event in made_up)
    return Verdict(payer=len(events) - len(made_up), payer_of=len(events), problems=problems)


def _unexplained(events: Sequence[Event], hidden: list[Call]) -> list[Event]:
    """The events that belong to no call, not even to a hidden one; every hidden call explains one event at most."""
    left = []
    for event in events:
        explained = restated(event, hidden) or told_wrong(event, hidden) or guessed(event, hidden)
        hidden = [call for call in hidden if not any(call is each for each in explained)]
        if not explained:
            left.append(event)
    return left


def restated(event: Event, hidden: Sequence[Call]) -> list[Call]:
    """The hidden calls whose sums an event carries: an aggregate that stands for them."""
    told = (count(event, "input_tokens"), count(event, "output_tokens"))
    for size in range(1, min(len(hidden), _TOGETHER_MAX) + 1):
        for some in combinations(hidden, size):
            if told == (sum(call["true"]["input_tokens"] for call in some), sum(call["true"]["output_tokens"] for call in some)):
                return list(some)
    return []


def told_wrong(event: Event, hidden: Sequence[Call]) -> list[Call]:
    """The hidden call of which the emitter exported one total right and the other wrong: no meter can do better."""
    given, made = count(event, "input_tokens"), count(event, "output_tokens")
    for call in hidden:
        real = call["true"]
        if (given and given == real["input_tokens"]) or (made and made in (real["output_tokens"], real["visible_output_tokens"])):
            return [call]
    return []


def guessed(event: Event, hidden: Sequence[Call]) -> list[Call]:
    """The hidden call that an event marked as estimated or partial is about."""
    if event.get("usage_state") not in ("estimated", "partial"):
        return []
    for call in hidden:
        if is_of_model(event, call) and all(count(event, key) <= 2 * call["true"][key] + 64 for key in ("input_tokens", "output_tokens")):
            return [call]
    return []


def _name(call: Call) -> str:
    return f"call {call['seq']} ({call['provider']} {call.get('response_model') or call.get('request_model')})"


def _counts(record: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={record[key]}" for key in COUNTS if record.get(key) is not None)


def say(text: str) -> None:
    """A line of output."""
    sys.stdout.write(text + "\n")


def main(args: Sequence[str]) -> int:
    """Judge the events of every case; see the head of this file."""
    if not 1 <= len(args) <= 2:
        say(str(__doc__))
        return 2
    events, cases = Path(args[0]), Path(args[1]) if len(args) == 2 else Path(__file__).with_name("cases")
    total, perfect, all_cases = Verdict(), 0, sorted(cases.glob("*/*/expected.json"))
    for path in all_cases:
        name = f"{path.parent.parent.name}/{path.parent.name}"
        told = events / f"{name}.jsonl"
        lines = told.read_text().splitlines() if told.exists() else []
        verdict = judge([json.loads(line) for line in lines if line.strip()], json.loads(path.read_text()))
        perfect += verdict.is_perfect
        total = total.plus(verdict)
        if not verdict.is_perfect:
            say("\n    ".join((name, *verdict.problems)))
    say(
        f"{perfect}/{len(all_cases)} cases; calls {total.exact}/{total.calls} exact, {total.left_over} left over; "
        f"payer {total.payer}/{total.payer_of}; cost {total.cost}/{total.cost_of}"
    )
    return 0 if all_cases and perfect == len(all_cases) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
