"""`report --allot`: finds shared costs by name in the configuration and prints the report with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spanledger.cli.access import viewer
from spanledger.cli.config import load_config
from spanledger.cli.errors import UsageMistake
from spanledger.cli.reports import Question, print_answer, print_report
from spanledger.enrich.config import shared_costs
from spanledger.enrich.shared import SharedCost
from spanledger.store.allotments import allotted_report


def answer(asked: Question, allot: str | None, config: Path | None, *, sureness: bool) -> None:
    """Write the report that is asked for: with shared costs where `allot` names some. Options that leave calls out do not go with these."""
    if allot is None:
        print_report(asked, sureness=sureness)
        return
    if viewer() is not None:
        raise UsageMistake("--allot spreads a cost over all that use it, and a key shows one account or tenant: leave out one of the two")
    if asked.chosen or sureness:
        raise UsageMistake("--allot spreads a cost over all that use it: leave out filters and --confidence")
    shared = find_shared([name.strip() for name in allot.split(",")], config)
    print_answer(
        asked,
        lambda ledger, by, when: allotted_report(
            ledger, by, shared, window=when.window, tz=asked.tz, now_ns=when.now_ns, as_of_ns=when.as_of_ns, basis=when.basis
        ),
    )


def find_shared(names: Sequence[str], config: Path | None) -> list[SharedCost]:
    """The shared costs of these names; UsageMistake names those that there are."""
    known = {shared.name: shared for shared in shared_costs(load_config(config).config.enrich)}
    if unknown := [name for name in names if name not in known]:
        there = f"there are {', '.join(known)}" if known else "the configuration has none (see --config)"
        raise UsageMistake(f"no [[enrich.shared]] is called {unknown[0]}; {there}")
    if len(set(names)) != len(names):
        raise UsageMistake("--allot names a shared cost twice")
    return [known[name] for name in names]
