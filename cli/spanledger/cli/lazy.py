"""The command group that imports a command only when it is called, so that `--help` and completion stay quick."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from spanledger.cli.access import guard

COMMANDS: dict[str, str] = {
    "serve": "Receive spans over OTLP and keep the ledger.",
    "health": "Ask the server that keeps a folder whether it takes requests.",
    "ingest": "Feed stored OTLP export requests into the ledger.",
    "report": "Cost, tokens and calls, grouped as you ask.",
    "top": "The heaviest tenants (or users, models, …) of a window.",
    "events": "List cost events: by default the net current ones.",
    "changes": "What has changed since a time, for calls of before.",
    "explain": "A charge, a line or a cell of a report, from span to money, with its arithmetic.",
    "tree": "A trace's spans with what each one cost.",
    "sql": "Ask the ledger in SQL, read-only.",
    "doctor": "What was not metered, priced or attributed, and the fix.",
    "dialects": "See how spans are read: the emitters known, and files of yours.",
    "prices": "Price catalogs, overlays and terms: what calls cost.",
    "commitments": "Committed use: what contracts promise in each period, what was used of it, and what is owed.",
    "reprice": "Price stored calls anew, by the prices in force or any others.",
    "replay": "Settle stored requests anew, by the rules as they are now.",
    "runs": "The re-pricings and replays that were booked.",
    "keys": "Create, list, rotate and revoke API keys.",
    "tenants": "Plans, departments and parents of tenants, with dates.",
    "config": "Show and check the configuration.",
    "export": "Export the ledger to a folder or an object store.",
    "forward": "Costs sent on as OTLP logs and metrics: how far, and from where again.",
    "push": "Tell a billing system what its customers owe, one usage event for each entry they pay.",
    "publish": "Publish the ledger as a table that other engines read in place.",
    "backup": "Copy the data folder, also that of a running server.",
    "restore": "Make a data folder of a backup, with every file checked against its digest.",
    "verify": "Whether the ledger is what was booked, by its hash chain.",
    "checkpoint": "Sign what the ledger is now, to be kept elsewhere.",
    "prove": "A proof that an entry is in the ledger, to give away.",
    "verify-proof": "Check a proof with nothing but a checkpoint.",
    "compact": "Rewrite small ledger files into large ones.",
    "demo": "See it work: server, SDK workload and report in seconds.",
}
"""Every command with its one-line help, in the order of `--help`; a test holds them against the commands themselves."""


def load(name: str) -> Any:
    """The click command behind a name: the Typer app called `app` of the module `commands/NAME.py` (with _ for -)."""
    module = import_module(f"spanledger.cli.commands.{name.replace('-', '_')}")
    command = typer.main.get_command(module.app)
    command.name = name
    return guard(command, name)


class LazyGroup(TyperGroup):
    """Lists its commands from COMMANDS and imports one when it is resolved."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name, callback=None, help=text) for name, text in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Resolve as usual, then put the real command in place of its listing."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, (load(name) if name in COMMANDS else command), rest
