"""`spanledger push`: tell a billing system what its customers owe."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


class SystemName(StrEnum):
    """The billing systems there are."""

    stripe = "stripe"
    orb = "orb"
    metronome = "metronome"
    lago = "lago"
    openmeter = "openmeter"


class Amount(StrEnum):
    """What customers are billed by."""

    customer_price_usd = "customer_price_usd"
    cost_usd = "cost_usd"


@app.command()
def push(
    system: Annotated[SystemName, typer.Argument(metavar="SYSTEM", help="stripe, orb, metronome, lago or openmeter.", show_default=False)],
    data: options.Data = options.DEFAULT_DATA,
    meter: Annotated[str, typer.Option(metavar="NAME", help="The name of the meter or event there.")] = "llm_usage",
    amount: Annotated[
        Amount, typer.Option(help="By the prices of customers' rate cards, or by what calls cost.")
    ] = Amount.customer_price_usd,
    authority: Annotated[str, typer.Option(metavar="NAME", help="The account whose tenants are billed.")] = "default",
    start: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Where a new destination begins: beginning, now, or a time of booking.", show_default=False),
    ] = None,
    commit: Annotated[bool, typer.Option("--commit/--dry-run", help="Send, or only show what would be sent.")] = False,
    restamp: Annotated[bool, typer.Option("--restamp", help="Bill what is too old for the system as of now.")] = False,
    url: Annotated[str | None, typer.Option(metavar="URL", help="Another address than the system's own.", show_default=False)] = None,
    patience: Annotated[int, typer.Option(metavar="SECONDS", min=0, help="How long to try again while the system is busy.")] = 600,
    output: options.Output = options.Format.table,
) -> None:
    """Tell a billing system what its customers owe, one usage event for each entry they pay.

    Shows the events and their sum for each customer; --commit sends them. A cursor in the ledger says how far each destination has been
    told: the next run goes on there, also after a crash, and the keys of events make sure that nothing is billed twice. Corrections are
    events of their own with the difference. The API key is read from SPANLEDGER_PUSH_KEY.

    A tenant's id there is its attribute stripe_customer_id, orb_customer_id, metronome_customer_id, lago_subscription_id or
    openmeter_subject; without one it is the tenant's own name, but for Stripe.

    [bold]Examples[/bold]

      spanledger tenants set acme stripe_customer_id=cus_123

      spanledger push stripe --start beginning

      spanledger push stripe --start beginning --commit

      spanledger push orb --amount cost_usd --start 2026-11-01 --commit
    """
    from spanledger.cli.pushing import Wish, push
    from spanledger.store.export.billing import Selection

    chosen = Selection(authority, amount.value, meter)
    push(options.existing_data(data), Wish(system.value, chosen, url, start, commit, restamp, patience), output)
