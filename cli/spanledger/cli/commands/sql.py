"""`spanledger sql`: ask the ledger in SQL."""

from __future__ import annotations

from typing import Annotated

import typer

from spanledger.cli import options

app = options.app()


@app.command()
def sql(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="One SELECT statement; - reads it from standard input.")],
    data: options.Data = options.DEFAULT_DATA,
    output: options.Output = options.Format.table,
) -> None:
    """Ask the ledger in SQL, read-only.

    DuckDB's SQL over the view `events` (every entry, corrections included: sums are net). Files, settings and extensions are out of
    reach. Money is DECIMAL(38,18); mind that `/` and AVG turn it into DOUBLE.

    [bold]Examples[/bold]

      spanledger sql "SELECT tenant_id, SUM(cost_usd) FROM events GROUP BY 1 ORDER BY 2 DESC"

      spanledger sql "DESCRIBE events"
    """
    import sys

    from spanledger.cli.render import write_rows
    from spanledger.cli.reports import query_rows

    text = sys.stdin.read() if query == "-" else query
    columns, rows = query_rows(options.existing_data(data), text)
    write_rows(columns, rows, output)
