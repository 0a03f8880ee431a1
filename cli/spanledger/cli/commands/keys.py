"""`spanledger keys`: create, list, rotate and revoke API keys."""

from __future__ import annotations

from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


@app.callback(no_args_is_help=True)
def root() -> None:
    """Create, list, rotate and revoke API keys.

    As soon as one key exists, every request must carry one (`authorization: Bearer SECRET`). Changes reach a running server within
    5 seconds.
    """


@app.command()
def create(
    data: options.Data = options.DEFAULT_DATA,
    tenant: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Bind the key to this tenant, who then pays whatever the spans claim.", show_default=False),
    ] = None,
    account: Annotated[str, typer.Option(metavar="NAME", help="The account (authority) whose ledger its spans go to.")] = "default",
    name: Annotated[str, typer.Option(metavar="TEXT", help="A note that `keys list` shows.")] = "",
    scope: Annotated[
        list[str] | None, typer.Option(metavar="SCOPE", help="What it may do: ingest, read, admin. Repeatable.", show_default="ingest")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="For how long it is valid: 30m, 12h, 90d.", show_default="until it is revoked")
    ] = None,
) -> None:
    """Create an API key and print its secret, once: only a hash of it is stored.

    Without --tenant the key may speak for every tenant of its account, as a Collector or a gateway must.

    [bold]Examples[/bold]

      spanledger keys create --tenant acme --name "acme production"

      spanledger keys create --account eu --name collector

      spanledger keys create --tenant acme --scope read --expires 90d
    """
    from spanledger.cli.keyring import create_key

    key_id, secret = create_key(data, account=account, tenant=tenant, name=name, scopes=scope or ["ingest"], expires=expires)
    typer.echo(f"key {key_id} created; the secret on standard output is shown only now:", err=True)
    typer.echo(secret)


@app.command("list")
def list_(data: options.Data = options.DEFAULT_DATA, output: options.Output = options.Format.table) -> None:
    """List the keys: id, account, tenant, scopes, name and state. Secrets are not stored.

    [bold]Example[/bold]

      spanledger keys list --format json
    """
    from spanledger.cli.keyring import key_rows
    from spanledger.cli.render import write_rows

    columns, rows = key_rows(options.existing_data(data))
    write_rows(columns, rows, output)


@app.command()
def rotate(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="The id that `keys list` shows.")],
    data: options.Data = options.DEFAULT_DATA,
    overlap: Annotated[str, typer.Option(metavar="TIME", help="How long the old key stays valid beside the new one: 0m, 12h, 7d.")] = "24h",
) -> None:
    """Make a successor of a key, with the same rights, and print its secret once. The old key ends after the overlap.

    [bold]Example[/bold]

      spanledger keys rotate k_3f9a --overlap 7d
    """
    from spanledger.cli.keyring import rotate_key

    new_id, secret = rotate_key(options.existing_data(data), key_id, overlap)
    typer.echo(f"key {new_id} takes the place of {key_id}; the secret on standard output is shown only now:", err=True)
    typer.echo(secret)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="The id that `keys list` shows.")],
    data: options.Data = options.DEFAULT_DATA,
) -> None:
    """Revoke a key. What it sent stays in the ledger.

    [bold]Example[/bold]

      spanledger keys revoke k_3f9a
    """
    from spanledger.cli.keyring import revoke_key

    revoke_key(options.existing_data(data), key_id)
    typer.echo(f"key {key_id} is revoked", err=True)
