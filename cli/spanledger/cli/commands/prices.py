"""`spanledger prices`: the price catalogs, overlays and terms of a data folder, and what is in them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()

At = Annotated[
    str | None, typer.Option("--at", metavar="DATE", help="The rates in force then (`ever` for all); by default now.", show_default=False)
]
Provider = Annotated[str | None, typer.Option(metavar="NAME", help="Only this provider, by its OpenTelemetry name.", show_default=False)]
Search = Annotated[str | None, typer.Argument(metavar="[TEXT]", help="Only models whose name contains this.", show_default=False)]
Names = Annotated[list[str], typer.Argument(metavar="NAME…", help="Names or ids as `prices list` shows them.")]


class Source(StrEnum):
    """What a file of prices is."""

    genai_prices = "genai-prices"
    litellm = "litellm"
    csv = "csv"
    toml = "toml"
    terms = "terms"
    catalog = "catalog"


class ExportFormat(StrEnum):
    """How a catalog is exported."""

    csv = "csv"
    toml = "toml"
    json = "json"


class By(StrEnum):
    """What `prices diff` shows."""

    rates = "rates"
    tenant = "tenant"
    model = "model"


@app.callback(no_args_is_help=True)
def root() -> None:
    """Price catalogs, overlays and terms: what calls cost.

    A catalog is a whole price list; one ships with spanledger. An overlay goes on top of it, terms are what your company has agreed
    (contracts, names of deployments, customers' prices, currencies). Nothing is ever fetched. What is activated prices the calls that
    are booked from then on; what is booked keeps its price, until `spanledger reprice` says otherwise.
    """


@app.command("list")
def list_(
    data: options.Data = options.DEFAULT_DATA,
    history: Annotated[bool, typer.Option("--history", help="Everything that was ever in force, and who put it there.")] = False,
    output: options.Output = options.Format.table,
) -> None:
    """List the catalogs, overlays and terms of a data folder, and since when they are in force.

    [bold]Examples[/bold]

      spanledger prices list

      spanledger prices list --history
    """
    from spanledger.cli.price_folder import activation_rows, list_rows
    from spanledger.cli.render import write_rows

    columns, rows = activation_rows(data) if history else list_rows(data)
    write_rows(columns, rows, output, optional=[name for name in ("source", "added", "reason") if name in columns])


@app.command()
def models(
    search: Search = None,
    provider: Provider = None,
    catalog: Annotated[
        str, typer.Option("--catalog", metavar="NAME", help="Of this catalog, overlay or book; by default what is in force.")
    ] = "active",
    data: options.Data = options.DEFAULT_DATA,
    output: options.Output = options.Format.table,
) -> None:
    """List the models that have prices.

    [bold]Examples[/bold]

      spanledger prices models

      spanledger prices models sonnet --provider anthropic
    """
    from spanledger.cli.pricelist import model_rows
    from spanledger.cli.render import write_rows

    columns, rows = model_rows(data, catalog, search, provider)
    write_rows(columns, rows, output)


@app.command()
def show(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CATALOG] [MODEL]", help="A catalog's name or id, a model as an application names it, or both."),
    ] = None,
    provider: Provider = None,
    at: At = None,
    data: options.Data = options.DEFAULT_DATA,
    output: options.Output = options.Format.table,
) -> None:
    """Show every rate of a model, or what a catalog, overlay, terms or book is.

    Without a catalog: the rates in force. The word `active` names the book in force, `shipped` the catalog of this release.

    [bold]Examples[/bold]

      spanledger prices show gpt-5

      spanledger prices show claude-sonnet-4-5 --provider anthropic --at 2025-10-01

      spanledger prices show shipped gpt-5

      spanledger prices show active
    """
    from spanledger.cli.pricelist import RATE_OPTIONAL, show_rows
    from spanledger.cli.render import write_rows

    columns, rows = show_rows(data, names or [], provider, at)
    write_rows(columns, rows, output, optional=[name for name in RATE_OPTIONAL if name in columns])


@app.command("history")
def history_(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model as an application would name it.")],
    provider: Provider = None,
    data: options.Data = options.DEFAULT_DATA,
    output: options.Output = options.Format.table,
) -> None:
    """Show every dated rate of a model over all catalogs of the folder, with sources.

    [bold]Example[/bold]

      spanledger prices history deepseek-chat --provider deepseek
    """
    from spanledger.cli.pricelist import HISTORY_OPTIONAL, history_rows
    from spanledger.cli.render import write_rows

    columns, rows = history_rows(data, model, provider)
    write_rows(columns, rows, output, optional=HISTORY_OPTIONAL)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file.")],
    source: Annotated[
        Source | None, typer.Option("--as", help="What the file is, where its name and content do not tell.", show_default=False)
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What to call it; by default the file's name.", show_default=False)
    ] = None,
    overlay: Annotated[
        bool | None,
        typer.Option(
            "--overlay/--base",
            help="Whether it goes on top of a catalog or is a whole one; by default CSV and TOML are overlays, the others whole.",
            show_default=False,
        ),
    ] = None,
    activate: Annotated[bool, typer.Option("--activate", help="Put it in force at once.")] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what was rounded or left out to this file.", show_default=False)
    ] = None,
    data: options.Data = options.DEFAULT_DATA,
) -> None:
    """Import a catalog, an overlay or terms: all of the file, or nothing where a line is wrong.

    Read are genai-prices' data.json, LiteLLM's model map, CSV and TOML of your own, terms, and what `prices export` writes;
    docs/catalog.md shows each. What is imported is kept for ever under the hash of its content.

    [bold]Examples[/bold]

      spanledger prices import our-prices.csv --activate

      spanledger prices import terms.toml --name terms-2026 --activate

      spanledger prices import model_prices_and_context_window.json --as litellm --name litellm
    """
    from spanledger.cli.price_import import import_file

    kind = source.value if source else None
    for line in import_file(data, file, kind, name, overlay=overlay, activated=activate, report=report):
        typer.echo(line, err=True)


@app.command()
def activate(names: Names, data: options.Data = options.DEFAULT_DATA) -> None:
    """Put catalogs, overlays or terms in force, for what is booked from now on; a running server takes them within 5 seconds.

    A catalog takes the place of the base, terms that of the terms, an overlay goes on top (or in the place of an earlier one of its
    name). `shipped` is the catalog of whatever release runs; one named by its id stays when a newer release ships another.

    [bold]Examples[/bold]

      spanledger prices activate our-prices terms-2026

      spanledger prices activate shipped
    """
    from spanledger.cli.price_folder import put_in_force

    typer.echo(put_in_force(data, names), err=True)


@app.command()
def deactivate(names: Names, data: options.Data = options.DEFAULT_DATA) -> None:
    """Take overlays or terms out of force.

    [bold]Example[/bold]

      spanledger prices deactivate our-prices
    """
    from spanledger.cli.price_folder import take_out_of_force

    typer.echo(take_out_of_force(options.existing_data(data), names), err=True)


@app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A name or id, `active`, `shipped`, or a file.")],
    after: Annotated[str, typer.Argument(metavar="B", help="What it is compared with, named likewise.")],
    by: Annotated[
        By | None,
        typer.Option(
            help="Rates that differ, or what the change would have cost by tenant or model.", show_default="rates; both in tables"
        ),
    ] = None,
    days: Annotated[int, typer.Option(min=1, metavar="N", help="Ask what the calls of the last N days would have cost.")] = 30,
    model: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only rates of models whose name contains this.", show_default=False)
    ] = None,
    data: options.Data = options.DEFAULT_DATA,
    output: options.Output = options.Format.table,
) -> None:
    """Compare two catalogs or books: rates added, removed, changed; and what the change would have cost, per tenant.

    An overlay or terms stand for the book in force with them in their place, and so does the name of a catalog; an id is that alone.
    A file that is not imported yet can be named instead. Nothing is stored or changed.

    [bold]Examples[/bold]

      spanledger prices diff active our-prices.csv

      spanledger prices diff shipped litellm --model gpt-5

      spanledger prices diff active terms-2027 --by tenant --days 90
    """
    from spanledger.cli.price_diffing import print_diff

    print_diff(data, before, after, by.value if by else None, days, model, output)


@app.command()
def lint(
    what: Annotated[str, typer.Argument(metavar="FILE|CATALOG", help="A file, or a name or id of the folder, `active` or `shipped`.")],
    source: Annotated[Source | None, typer.Option("--as", help="What a file is, where it does not tell.", show_default=False)] = None,
    data: options.Data = options.DEFAULT_DATA,
    output: options.Output = options.Format.table,
) -> None:
    """Check a catalog or terms for what is probably not meant; exits with 3 where something is wrong.

    [bold]Examples[/bold]

      spanledger prices lint our-prices.csv

      spanledger prices lint active
    """
    from spanledger.cli.price_import import lint_rows
    from spanledger.cli.render import write_rows

    columns, rows, code = lint_rows(data, what, source.value if source else None)
    if rows or output is not options.Format.table:
        write_rows(columns, rows, output)
    else:
        typer.echo("nothing to say against it")
    raise typer.Exit(code)


@app.command()
def export(
    catalog: Annotated[str, typer.Argument(metavar="CATALOG", help="A name or id, `active` or `shipped`.")],
    output: Annotated[ExportFormat, typer.Option("--format", help="How to write it.")] = ExportFormat.csv,
    data: options.Data = options.DEFAULT_DATA,
) -> None:
    """Write a catalog, overlay or terms to standard output, so that `prices import` reads the same prices again.

    [bold]Examples[/bold]

      spanledger prices export shipped > shipped.csv

      spanledger prices export terms-2026 --format toml
    """
    from spanledger.cli.price_export import export_to

    export_to(data, catalog, output.value)
