"""`prices`: what the catalog has, and a clear word where it has nothing."""

from __future__ import annotations

import pytest

from tests.cli.runner import spanledger


def test_prices_show_every_rate_with_its_source() -> None:
    rows = spanledger("prices", "show", "gpt-4o-mini", "--provider", "openai", "--format", "jsonl").rows()
    plain = {row["unit"]: (row["amount"], row["per"]) for row in rows if row["context"] is None}
    assert plain["input_tokens"] == ("0.15", 1_000_000)
    assert plain["output_tokens"] == ("0.6", 1_000_000)
    assert all(row["source"] and row["rate_id"] for row in rows)
    assert spanledger("prices", "show", "gpt-4o-mini").code == 0


def test_prices_list_searches() -> None:
    rows = spanledger("prices", "list", "SONNET", "--provider", "anthropic", "--format", "jsonl").rows()
    assert rows
    assert all("sonnet" in row["model"] and row["provider"] == "anthropic" for row in rows)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["list", "nobody-knows"], "no model with 'nobody-knows' in its name has a price"),
        (["show", "nobody-knows"], "no prices for nobody-knows; `spanledger prices list` shows what there is"),
        (["show", "sonnet"], "no prices for sonnet; there are "),
        (["show", "gpt-4o", "--at", "whenever"], "cannot read 'whenever' as a time"),
    ],
)
def test_prices_that_there_are_not(args: list[str], said: str) -> None:
    answer = spanledger("prices", *args)
    assert answer.code == 1
    assert answer.err.startswith(f"spanledger: {said}")
