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

    DuckDB's SQL over `events` (the net current events), `entries` (every entry, corrections included: their sums are net too) and `spans`.
    Files, settings and extensions are out of reach. Money is DECIMAL(38,18); mind that `/` and AVG turn it into DOUBLE.

    [bold]Examples[/bold]

      spanledger sql "SELECT tenant_id, SUM(cost_usd) FROM events GROUP BY 1 ORDER BY 2 DESC"

      spanledger sql "SELECT usage_state, price_state, COUNT(*) FROM events GROUP BY ALL" --format markdown
    """
    import sys

    from spanledger.cli.reports import print_query

    print_query(options.existing_data(data), sys.stdin.read() if query == "-" else query, output)
