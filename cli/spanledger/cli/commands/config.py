"""`spanledger config`: show and check the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


@app.callback(no_args_is_help=True)
def root() -> None:
    """Show and check the configuration.

    Settings come from defaults, then a TOML file (--config or SPANLEDGER_CONFIG), then environment variables such as
    SPANLEDGER_WORKER__BATCH_SECONDS=2, then options of the command.
    """


@app.command()
def show(config: options.Config = None) -> None:
    """Print the effective configuration as TOML, each value with the place it comes from.

    Secrets are masked. What is printed is a valid configuration file.

    [bold]Examples[/bold]

      spanledger config show

      spanledger config show --config spanledger.toml
    """
    from spanledger.cli.config import load_config
    from spanledger.cli.settings import to_toml

    typer.echo(to_toml(load_config(config)), nl=False)


@app.command()
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="A TOML configuration file.")]) -> None:
    """Check a configuration file: says what is wrong in one line and exits 2, or says that it is good.

    [bold]Example[/bold]

      spanledger config check spanledger.toml
    """
    from spanledger.cli.config import Config
    from spanledger.cli.settings import file_layer, load

    load(Config, [file_layer(file)])
    typer.echo(f"{file} is good", err=True)
