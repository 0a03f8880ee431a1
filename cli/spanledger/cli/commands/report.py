"""`spanledger report`: cost, tokens and calls, grouped as asked."""

from __future__ import annotations

from typing import Annotated

import typer

from spanledger.cli import options
from spanledger.cli.filters import filtered
from spanledger.cli.options import Chosen

app = options.app()

By = Annotated[
    str,
    typer.Option(
        metavar="COLUMN,…",
        help="Group by these: tenant, user, session, workflow, agent, feature, environment, service, provider, model, "
        "operation, surface, tier, hour, day, week, month, kind, reason, run, or an attribute of tenants: tenant.plan, tenant.parent, …",
    ),
]


@app.command()
@filtered
def report(
    data: options.Data = options.DEFAULT_DATA,
    by: By = "tenant",
    since: options.Since = None,
    until: options.Until = None,
    tz: options.Zone = "UTC",
    as_of: options.AsOf = None,
    basis: options.ByTime = options.Basis.start,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the costliest rows; the totals are of all.", show_default=False)] = None,
    confidence: Annotated[
        bool, typer.Option("--confidence", help="Show how sure the cost is: shares of calls and cost by what is known, and bounds.")
    ] = False,
    allot: Annotated[
        str | None,
        typer.Option(metavar="NAME,…", help="Spread these shared costs (enrich.shared) by share of usage.", show_default=False),
    ] = None,
    config: options.Config = None,
    output: options.Output = options.Format.table,
    *,
    chosen: Chosen,
) -> None:
    """Cost, tokens and calls, grouped as you ask.

    Charges and corrections are netted. Calls without a price and calls whose usage is unknown are counted in columns of their own and are
    never shown as $0; cost that belongs to nobody is a row of its own.

    Calls are provider calls. One shared by several payers counts once in each row that bears a part of it and once in the total. What
    meters charge (tools, compute, …) is cost and no call, and counted apart where it has no price. Unmetered calls are those that succeeded
    without telling their usage.

    With --confidence, what providers measured and bill is the lower bound; the upper one takes every call of unknown usage or price for as
    costly as the costliest measured call of its model. With --allot, shared costs are spread over whole months, to the last digit.

    --as-of shows the report as it stood at a time. --basis booked goes by when entries were booked: what a month says then never changes
    once it is over, and later corrections of its calls stand in the month in which they were made. `spanledger changes` lists them.

    [bold]Examples[/bold]

      spanledger report

      spanledger report --by tenant,model --since month --tz Europe/Berlin

      spanledger report --by day,tenant --since 7d --format csv > week.csv

      spanledger report --by tenant.plan --confidence

      spanledger report --since 2026-10 --until 2026-11 --as-of 2026-11-02

      spanledger report --basis booked --by month,tenant,kind

      spanledger report --allot vector-db --since 2026-11 --until 2026-12 --config spanledger.toml

      spanledger report --by model --tenant acme --since 2026-11-01 --until 2026-12-01
    """
    from spanledger.cli.allotting import answer
    from spanledger.cli.reports import Question

    asked = Question(options.existing_data(data), by.split(","), since, until, tz, chosen, limit, output, as_of, basis)
    answer(asked, allot, config, sureness=confidence)
