"""`spanledger dialects`: how spans are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


@app.callback(no_args_is_help=True)
def root() -> None:
    """See how spans are read: the emitters known, and files of yours.

    A dialect is a table that says how one instrumentation spells usage, models and kinds of spans. They are asked in order; the first whose
    scope, version and condition fit a span reads it. Add your own under `enrich.dialects` in the configuration.
    """


@app.command("list")
def list_(config: options.Config = None, output: options.Output = options.Format.table) -> None:
    """List the dialects in the order they are asked, your own first.

    `scopes` are names of instrumentation scopes (`*` at the end stands for anything), `seen` what it was verified against.

    [bold]Examples[/bold]

      spanledger dialects list

      spanledger dialects list --config spanledger.toml --format markdown
    """
    from spanledger.cli.config import load_config
    from spanledger.cli.dialects import LIST_OPTIONAL, Known, known_dialects
    from spanledger.cli.render import write_rows

    write_rows(Known._fields, known_dialects(load_config(config).config), output, optional=LIST_OPTIONAL)


@app.command("test")
def try_(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Files or folders; - reads standard input.", show_default=False)],
    config: options.Config = None,
    every: Annotated[bool, typer.Option("--all", help="Also spans that say nothing of usage or payers.")] = False,
    output: options.Output = options.Format.table,
) -> None:
    """Show how spans from files are read and what would be charged; nothing is stored.

    Takes what `ingest` takes: export requests as protobuf (.pb), OTLP/JSON (.json), the Collector's JSON lines (.jsonl), and gzip of each.
    The spans are pruned, read and settled as a server would, by the shipped rules and those of --config, as if all of them came at once.

    For each span: the dialect that reads it, its usage and payers with where they were found, and under `settled` what becomes of it:
    charged; suppressed by the span that tells of the same call better; an aggregate, which restates what is charged below it; no usage.
    `unread` names numbers that look like usage and that no rule reads: write a dialect for them, or tell us.

    [bold]Examples[/bold]

      spanledger dialects test traces.jsonl

      spanledger dialects test --config spanledger.toml --format json export.pb

      zcat traces.jsonl.gz | spanledger dialects test -
    """
    from spanledger.cli.config import load_config
    from spanledger.cli.dialects import TEST_OPTIONAL, TEST_TABLE, says_something, table_rows
    from spanledger.cli.render import write_rows
    from spanledger.cli.span_report import SpanRow, read_files

    rows, bad = read_files(load_config(config).config, paths)
    shown = [row for row in rows if every or says_something(row)]
    if output in (options.Format.table, options.Format.markdown):
        write_rows(TEST_TABLE, table_rows(shown), output, optional=TEST_OPTIONAL)
    else:
        write_rows(SpanRow._fields, shown, output)
    raise typer.Exit(1 if bad else 0)
