"""`spanledger push` against stand-ins that enforce the systems' rules: everything is told once, whatever is cut off or told twice."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from spanledger.cli.errors import UserError
from spanledger.cli.options import Format
from spanledger.cli.push_send import PushError
from spanledger.cli.pushing import Clock, Wish, push
from spanledger.store.export.billing import SYSTEMS, Selection
from spanledger.store.ledger import Ledger
from spanledger.store.tenants import Change, Tenants
from tests.cli.billing_systems import KEY, BillingSystem, billing_system
from tests.cli.runner import spanledger
from tests.store.samples import DAY_NS, event

NOW = time.time_ns()
COST = Selection("default", "cost_usd", "llm_usage")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[BillingSystem, str]]:
    monkeypatch.setenv("SPANLEDGER_PUSH_KEY", KEY)
    with billing_system() as running:
        yield running


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """250 calls of acme of 0.0125 USD, booked as they came."""
    book(tmp_path / "data", *range(1, 251))
    return tmp_path / "data"


def book(folder: Path, *numbers: int, age_ns: int = 0) -> None:
    with Ledger.open(folder) as ledger:
        booked = NOW - age_ns
        events = [event(number, start_ns=booked - 2, end_ns=booked - 1, received_ns=booked, booked_ns=booked) for number in numbers]
        ledger.commit(events, [], position=ledger.position + 1, open_position=0, booked_ns=booked)
        Tenants(ledger.metastore).change([Change("acme", "stripe_customer_id", "cus_1")], NOW)


def wish(system: str, url: str, **other: object) -> Wish:
    return Wish(system, COST, url, "beginning", True, False, 600.0)._replace(**other)


class Waits:
    """Time that passes at once, and how long was waited."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def clock(self) -> Clock:
        return Clock(lambda: NOW, self.seconds.append)


def tell(data: Path, asked: Wish) -> list[float]:
    waits = Waits()
    push(data, asked, Format.jsonl, waits.clock())
    return waits.seconds


@pytest.mark.parametrize("system", SYSTEMS)
def test_everything_is_told_once_and_then_only_what_is_new(data: Path, server: tuple[BillingSystem, str], system: str) -> None:
    there, url = server
    tell(data, wish(system, url))
    assert len(there.taken) == 250
    before = there.requests
    tell(data, wish(system, url))
    assert there.requests == before
    book(data, 251, 252)
    tell(data, wish(system, url, start=None))
    assert len(there.taken) == 252


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_was_taken_without_an_answer_is_not_billed_twice(data: Path, server: tuple[BillingSystem, str], system: str) -> None:
    """The connection breaks after the events were taken; the run gives up, and the next one tells them again."""
    there, url = server
    there.cut_after = 1 if system == "stripe" else 0
    with pytest.raises(PushError):
        tell(data, wish(system, url, patience_seconds=5.0))
    assert there.taken
    there.cut_after = None
    tell(data, wish(system, url))
    assert len(there.taken) == 250


def test_a_busy_system_is_waited_for_as_long_as_it_says(data: Path, server: tuple[BillingSystem, str]) -> None:
    there, url = server
    there.trouble = [(429, {"retry-after": "7"}), (503, {})]
    first, second = tell(data, wish("orb", url))
    assert first == 7
    assert 2 <= second <= 2.5
    there.trouble = [(503, {})] * 50
    book(data, 300)
    with pytest.raises(PushError, match="orb answered HTTP 503"):
        tell(data, wish("orb", url, patience_seconds=60.0))


def test_what_is_refused_for_good_is_not_tried_again(
    data: Path, server: tuple[BillingSystem, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    there, url = server
    there.trouble = [(400, {})]
    with pytest.raises(PushError, match="HTTP 400"):
        tell(data, wish("metronome", url))
    assert there.requests == 1
    monkeypatch.setenv("SPANLEDGER_PUSH_KEY", "wrong-key")
    with pytest.raises(PushError, match="does not accept the API key") as refused:
        tell(data, wish("metronome", url))
    assert "wrong-key" not in str(refused.value)
    monkeypatch.setenv("SPANLEDGER_PUSH_KEY", "wrong\nkey")  # http.client would quote it
    with pytest.raises(UserError, match="SPANLEDGER_PUSH_KEY has a character that no key has") as refused_here:
        tell(data, wish("metronome", url))
    assert "wrong" not in str(refused_here.value)
    monkeypatch.delenv("SPANLEDGER_PUSH_KEY")
    with pytest.raises(UserError, match="SPANLEDGER_PUSH_KEY must hold"):
        tell(data, wish("metronome", url))


def test_a_stripe_session_that_ran_out_is_opened_again(data: Path, server: tuple[BillingSystem, str]) -> None:
    there, url = server
    tell(data, wish("stripe", url))
    opened = there.token
    assert opened == 1

    class Forgets(BillingSystem):
        def _stripe(self, bearer: str, events: list[object]) -> tuple[int, dict[str, str], object]:
            if self.requests == 3:  # the second batch
                self.token += 1
            return super()._stripe(bearer, events)

    there.__class__ = Forgets
    there.requests = 0
    book(data, *range(300, 520))
    tell(data, wish("stripe", url))
    assert there.token >= 3
    assert len(there.taken) == 470


def test_what_is_too_old_is_said_and_billed_as_of_now_when_asked(server: tuple[BillingSystem, str], tmp_path: Path) -> None:
    there, url = server
    book(tmp_path / "old", 1, age_ns=36 * DAY_NS)
    with pytest.raises(UserError, match=r"stripe takes the last 35 days: --restamp"):
        tell(tmp_path / "old", wish("stripe", url))
    assert not there.taken
    tell(tmp_path / "old", wish("stripe", url, restamp=True))
    assert len(there.taken) == 1


def test_shown_first_and_sent_only_when_asked(data: Path, server: tuple[BillingSystem, str]) -> None:
    there, url = server
    arguments = ("push", "orb", "--data", data, "--amount", "cost_usd", "--url", url)
    unsaid = spanledger(*arguments)
    assert (unsaid.code, "--start beginning tells it all" in unsaid.err) == (1, True)
    shown = spanledger(*arguments, "--start", "beginning", "--format", "json")
    assert json.loads(shown.out) == {
        "rows": [{"customer": "acme", "events": 250, "cost_usd": "3.125"}],
        "totals": {"customer": "total", "events": 250, "cost_usd": "3.125"},
    }
    assert not there.taken
    sent = spanledger(*arguments, "--start", "beginning", "--commit")
    assert (sent.code, sent.err.strip()) == (0, f"250 events to orb ({url}): entries 1 to 250")
    assert spanledger(*arguments, "--commit").err.strip() == f"nothing new for orb ({url})"
    assert spanledger(*arguments).err.strip() == "nothing new for orb"
    total = sum(Decimal(one["properties"]["cost_usd"]) for one in there.taken.values())
    assert total == 250 * Decimal("0.0125")
    unpriced = spanledger("push", "orb", "--data", data, "--url", url, "--start", "beginning")
    assert "250 billable calls have no customer_price_usd, and were not told of" in unpriced.err


def test_a_new_destination_may_begin_now(data: Path, server: tuple[BillingSystem, str]) -> None:
    there, url = server
    tell(data, wish("lago", url, start="now"))
    book(data, 251)
    tell(data, wish("lago", url))
    assert list(there.taken) == [f"sl-{251:032x}"]
