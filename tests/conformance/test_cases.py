"""Every captured program through the real road: each call it made is charged once, exactly, to the right payer, at the right price.

The same spans one by one, in any order, some twice, with a restart in the middle must come to the same.
"""

import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.judge import COUNTS, judge
from tests.conformance.road import book, case_names, expected, net_events, scattered

NAMES = case_names()
COMPARED = ("trace_id", "span_id", "tenant_id", "session_id", "user_id", "cost_usd", *COUNTS)


def test_the_cases_are_all_there() -> None:
    assert len(NAMES) == 175
    assert len({name.split("/")[0] for name in NAMES}) == 56


@pytest.mark.parametrize("name", NAMES)
def test_every_call_is_charged_once_exactly_to_its_payer(name: str, plain_run: Any) -> None:
    verdict = judge(plain_run(name), expected(name))
    assert verdict.problems == ()
    assert verdict.is_perfect


@pytest.mark.parametrize("name", NAMES)
def test_any_order_repeats_and_a_restart_change_nothing(name: str, plain_run: Any, tmp_path: Path) -> None:
    spans = scattered(name, seed=zlib.crc32(name.encode()))
    half = (len(spans) + 1) // 2
    book(tmp_path, spans[:half])
    book(tmp_path, spans[half:], after=half)
    assert told(net_events(tmp_path)) == told(plain_run(name))


def told(events: list[dict[str, Any]]) -> list[list[str]]:
    return sorted([str(event[key]) for key in COMPARED] for event in events)
