"""Reports by tenants' attributes: as of the time of each call, children under their parents, names that are never SQL."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from spanledger.store.errors import QueryError
from spanledger.store.ledger import Ledger
from spanledger.store.reports import report
from spanledger.store.tenants import Change, Tenants
from tests.store.samples import NOON, event

HOUR_NS = 3_600_000_000_000
CENT = 10**16


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """acme pays 1 cent at noon and 2 an hour later, globex 4, initech 8, nobody 16."""
    ledger = Ledger.open(tmp_path)
    paid = [("acme", 1, 0), ("acme", 2, HOUR_NS), ("globex", 4, 0), ("initech", 8, 0), (None, 16, 0)]
    events = [
        event(number, tenant_id=tenant, cost_usd=cents * CENT, start_ns=NOON + later)
        for number, (tenant, cents, later) in enumerate(paid, start=1)
    ]
    ledger.commit(events, [], position=1, open_position=0, booked_ns=NOON)
    return ledger


def know(ledger: Ledger, *changes: Change) -> None:
    tenants = Tenants.open(ledger.data_dir)
    tenants.change(changes, NOON)
    tenants.close()


def cents(ledger: Ledger, *by: str) -> dict[object, int]:
    table = report(ledger, by)
    assert table.totals[-1] == Decimal("0.31")
    return {row[0] if len(by) == 1 else row[: len(by)]: int(row[-1] * 100) for row in table.rows}


def test_a_plan_counts_as_it_was_when_the_call_was_made(ledger: Ledger) -> None:
    know(
        ledger,
        Change("acme", "plan", "free"),
        Change("acme", "plan", "pro", NOON + HOUR_NS),
        Change("globex", "plan", "pro"),
    )
    assert cents(ledger, "tenant.plan") == {"free": 1, "pro": 2 + 4, None: 8 + 16}


def test_by_several_attributes_and_ours(ledger: Ledger) -> None:
    know(ledger, Change("acme", "plan", "pro"), Change("acme", "department", "sales"), Change("globex", "plan", "pro"))
    assert cents(ledger, "tenant.plan", "tenant.department", "provider") == {
        ("pro", "sales", "openai"): 3,
        ("pro", None, "openai"): 4,
        (None, None, "openai"): 24,
    }


def test_parents_roll_up_their_whole_family_and_themselves(ledger: Ledger) -> None:
    know(ledger, Change("acme", "parent", "globex"), Change("globex", "parent", "initech"))
    assert cents(ledger, "tenant.parent") == {"initech": 1 + 2 + 4 + 8, None: 16}


def test_without_parents_everybody_stands_for_himself(ledger: Ledger) -> None:
    assert cents(ledger, "tenant.parent") == {"acme": 3, "globex": 4, "initech": 8, None: 16}


def test_another_account_has_other_tenants(ledger: Ledger) -> None:
    know(ledger, Change("acme", "plan", "pro", authority="eu"))
    assert cents(ledger, "tenant.plan") == {None: 31}


@pytest.mark.parametrize("name", ["tenant.plan", 'tenant.plan" FROM x; --', "tenant.", "plan"])
def test_a_name_that_no_tenant_has_is_refused(ledger: Ledger, name: str) -> None:
    with pytest.raises(QueryError, match="cannot report by"):
        report(ledger, [name])
