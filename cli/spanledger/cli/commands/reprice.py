"""`spanledger reprice`: stored calls at other prices."""

from __future__ import annotations

from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


def _only(what: str) -> object:
    return typer.Option(metavar="NAME", help=f"Only this {what} (repeat for several).", show_default=False)


@app.command()
def reprice(
    data: options.Data = options.DEFAULT_DATA,
    since: options.Since = None,
    until: options.Until = None,
    tz: options.Zone = "UTC",
    catalog: Annotated[
        str | None, typer.Option(metavar="NAME", help="Prices by name or id; by default those in force now.", show_default=False)
    ] = None,
    tenant: Annotated[list[str] | None, _only("tenant")] = None,
    provider: Annotated[list[str] | None, _only("provider")] = None,
    model: Annotated[list[str] | None, _only("model")] = None,
    undo: Annotated[str | None, typer.Option(metavar="RUN", help="Take an earlier re-pricing back.", show_default=False)] = None,
    model_map: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL=OTHER", help="What if these calls had gone to another model; never booked.", show_default=False),
    ] = None,
    batch: Annotated[bool, typer.Option("--batch", help="What if all of it had been sent as batches; never booked.")] = False,
    commit: options.Commit = False,
    yes: options.Yes = False,
    reason: options.Reason = None,
    actor: options.Actor = None,
    config: options.Config = None,
    output: options.Output = options.Format.table,
) -> None:
    """Price stored calls anew, by the prices in force or any others.

    Shows the difference for each tenant and model. With --commit it is booked as linked entries with the reason "repriced"; nothing is
    rewritten. Calls that were priced get an adjustment, calls that were not a reversal and a new charge; those that have no price there
    stay as they are booked.

    Safe beside a running server. Done twice, the second finds nothing to do; --undo takes a run back by another. Shared and customers'
    prices follow the terms of the prices chosen.

    [bold]Examples[/bold]

      spanledger reprice --since 2026-11-01 --until 2026-12-01

      spanledger reprice --since month --catalog list-2026-12 --commit --reason "new contract"

      spanledger reprice --undo rp1-0123456789abcdef --commit

      spanledger reprice --since 30d --model-map gpt-4o=gpt-4o-mini --batch
    """
    import time

    from spanledger.cli.person import person
    from spanledger.cli.repricing import Wish, reprice_folder

    filters = {name: names for name, names in (("tenant", tenant), ("provider", provider), ("model", model)) if names}
    wish = Wish(since, until, tz, filters, catalog, undo, tuple(model_map or ()), batch, commit, yes, reason, person(actor))
    raise typer.Exit(reprice_folder(options.existing_data(data), config, wish, output, time.time_ns()))
