"""`spanledger events`: the cost events themselves."""

from __future__ import annotations

from typing import Annotated

import typer

from spanledger.cli import options
from spanledger.cli.filters import Filters

app = options.app()


@app.command()
def events(
    data: options.Data = options.DEFAULT_DATA,
    since: options.Since = None,
    until: options.Until = None,
    every: Annotated[bool, typer.Option("--all", help="Every entry ever booked: charges, reversals and adjustments.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many rows.", show_default=False)] = None,
    output: options.Output = options.Format.table,
    tenant: Filters.Tenant = None,
    user: Filters.User = None,
    session: Filters.Session = None,
    workflow: Filters.Workflow = None,
    agent: Filters.Agent = None,
    feature: Filters.Feature = None,
    environment: Filters.Environment = None,
    service: Filters.Service = None,
    provider: Filters.Provider = None,
    model: Filters.Model = None,
) -> None:
    """List cost events: by default the net current ones.

    One row a call, in order of time. The table shows the columns people look at; JSON, JSON Lines and CSV have every column,
    ids in full and money as exact decimal strings.

    [bold]Examples[/bold]

      spanledger events --since 1h

      spanledger events --tenant acme --format jsonl

      spanledger events --all --session s-17
    """
    from spanledger.cli.filters import chosen
    from spanledger.cli.reports import print_events

    filters = chosen(
        tenant=tenant, user=user, session=session, workflow=workflow, agent=agent, feature=feature,
        environment=environment, service=service, provider=provider, model=model,
    )  # fmt: skip
    print_events(options.existing_data(data), since, until, filters, every, limit, output)
