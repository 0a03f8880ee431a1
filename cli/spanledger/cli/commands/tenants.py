"""`spanledger tenants`: what is known of tenants, with dates, for reports to group by."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()
Account = Annotated[str, typer.Option(metavar="NAME", help="The account (authority) whose tenant it is.")]
From = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="WHEN", help="From then on. Without it: always, where the attribute is new; else from now on.", show_default=False
    ),
]
Until = Annotated[str | None, typer.Option(metavar="WHEN", help="Up to then (exclusive).", show_default=False)]


@app.callback(no_args_is_help=True)
def root() -> None:
    """Plans, departments and parents of tenants, with dates.

    An attribute has any name you like; each value has the time it holds. `spanledger report --by tenant.plan` groups by them as they
    were when each call was made. The attribute `parent` names another tenant: `report --by tenant.parent` puts every tenant under the
    topmost one above it.
    """


@app.command("set")
def set_(
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="The tenant's id, as in reports.")],
    pairs: Annotated[list[str], typer.Argument(metavar="NAME=VALUE…", help="Attributes; an empty value takes one away.")],
    data: options.Data = options.DEFAULT_DATA,
    since: From = None,
    until: Until = None,
    account: Account = "default",
) -> None:
    """Set attributes of a tenant for a time.

    Nothing is lost: what held before goes on holding for the time before.

    [bold]Examples[/bold]

      spanledger tenants set acme plan=free department=research

      spanledger tenants set acme plan=pro --from 2026-11-01

      spanledger tenants set acme-labs parent=acme
    """
    from spanledger.cli.tenants import set_attributes

    count = set_attributes(data, tenant, pairs, since, until, account)
    typer.echo(f"{count} attribute{'s' if count != 1 else ''} of {tenant} set", err=True)


@app.command("list")
def list_(
    tenant: Annotated[str | None, typer.Argument(metavar="TENANT", help="Only this tenant's.", show_default=False)] = None,
    data: options.Data = options.DEFAULT_DATA,
    output: options.Output = options.Format.table,
) -> None:
    """List tenants' attributes with the times they hold.

    [bold]Example[/bold]

      spanledger tenants list --format csv > tenants.csv
    """
    from spanledger.cli.render import write_rows
    from spanledger.cli.tenants import COLUMNS, fact_rows

    write_rows(COLUMNS, fact_rows(options.existing_data(data), tenant), output)


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV with the columns tenant, attribute, value and maybe from, until, account.")
    ],
    data: options.Data = options.DEFAULT_DATA,
) -> None:
    """Set attributes from a CSV file: all of it, or nothing where a line is wrong.

    What `tenants list --format csv` writes can be read again.

    [bold]Example[/bold]

      spanledger tenants import tenants.csv
    """
    from spanledger.cli.tenants import import_attributes

    typer.echo(f"{import_attributes(data, file)} attributes set", err=True)
