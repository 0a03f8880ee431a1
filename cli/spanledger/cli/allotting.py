"""`report --allot`: finds shared costs by name in the configuration and prints the report with them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from spanledger.cli.config import load_config
from spanledger.cli.errors import UsageMistake
from spanledger.cli.options import Format
from spanledger.cli.reports import Chosen, print_report, print_table
from spanledger.enrich.config import shared_costs
from spanledger.enrich.shared import SharedCost
from spanledger.store.allotments import allotted_report
from spanledger.store.ledger import Ledger
from spanledger.store.times import parse_window


def answer(
    data: Path,
    by: Sequence[str],
    since: str | None,
    until: str | None,
    tz: str,
    chosen: Chosen,
    limit: int | None,
    output: Format,
    allot: str | None,
    config: Path | None,
    *,
    sureness: bool,
) -> None:
    """Write the report that is asked for: with shared costs where `allot` names some. Options that leave calls out do not go with these."""
    if allot is None:
        print_report(data, by, since, until, tz, chosen, limit, output, sureness=sureness)
        return
    if chosen or sureness:
        raise UsageMistake("--allot spreads a cost over all that use it: leave out filters and --confidence")
    shared = find_shared([name.strip() for name in allot.split(",")], config)
    now_ns = time.time_ns()
    with Ledger.open(data, read_only=True) as ledger:
        window = parse_window(since, until, now_ns, tz)
        table = allotted_report(ledger, [name.strip() for name in by], shared, window=window, tz=tz, now_ns=now_ns)
    print_table(table, limit, output)


def find_shared(names: Sequence[str], config: Path | None) -> list[SharedCost]:
    """The shared costs of these names; UsageMistake names those that there are."""
    known = {shared.name: shared for shared in shared_costs(load_config(config).config.enrich)}
    if unknown := [name for name in names if name not in known]:
        there = f"there are {', '.join(known)}" if known else "the configuration has none (see --config)"
        raise UsageMistake(f"no [[enrich.shared]] is called {unknown[0]}; {there}")
    if len(set(names)) != len(names):
        raise UsageMistake("--allot names a shared cost twice")
    return [known[name] for name in names]
