"""`spanledger replay`: stored requests once more, by the present rules."""

from __future__ import annotations

from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


@app.command()
def replay(
    data: options.Data = options.DEFAULT_DATA,
    since: options.Since = None,
    until: options.Until = None,
    tz: options.Zone = "UTC",
    tenant: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only traces that this tenant has a part in, before or after.", show_default=False)
    ] = None,
    commit: options.Commit = False,
    yes: options.Yes = False,
    reason: options.Reason = None,
    actor: options.Actor = None,
    config: options.Config = None,
    output: options.Output = options.Format.table,
) -> None:
    """Settle stored requests anew, by the rules as they are now.

    Reads the requests of every trace with a span in the window from the archive and the journal, by the present dialects, payer rules and
    policies (--config), and shows what would change, per tenant and model. With --commit the difference is booked as linked entries with
    the reason "replayed"; nothing is rewritten. What stays the same keeps its booked price: `reprice` is for other prices.

    Safe beside a running server. Done twice, the second finds nothing. To undo it, replay the window with the former configuration.

    [bold]Examples[/bold]

      spanledger replay --since month --config spanledger.toml

      spanledger replay --since 2026-11-01 --until 2026-12-01 --config spanledger.toml --commit --reason "tenant key was wrong"
    """
    import time

    from spanledger.cli.person import person
    from spanledger.cli.replay_report import Wish, replay_folder

    wish = Wish(since, until, tz, tenant, commit, yes, reason, person(actor))
    raise typer.Exit(replay_folder(options.existing_data(data), config, wish, output, time.time_ns()))
