"""FOCUS rows: every line once, quantities and unit prices that come to its cost, corrections of closed months where they were booked."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spanledger.enrich.book import reversal
from spanledger.enrich.events import CostEvent
from spanledger.store.export.every import shape_named
from spanledger.store.export.export import Request, export
from spanledger.store.export.focus_names import maker, measured_in, meter, seller
from spanledger.store.export.targets import FolderTarget
from spanledger.store.ledger import Ledger
from tests.store.samples import DAY_NS, NOON, event


def focus(folder: Path, *events: CostEvent, shape: str = "focus") -> list[dict[str, Any]]:
    """The rows of these events, in their order."""
    import pyarrow.parquet as pq

    with Ledger.open(folder / "data") as ledger:
        ledger.commit(events, [], position=1, open_position=0, booked_ns=NOON)
        export(ledger, FolderTarget(folder / "out"), Request(shape_named(shape), "parquet"), now_text="now")
    files = sorted((folder / "out" / shape).glob("event_date=*/*.parquet"))
    rows: list[dict[str, Any]] = [row for file in files for row in pq.read_table(file, partitioning=None).to_pylist()]
    return sorted(rows, key=lambda row: (row["x_EntryNumber"], row["x_LineId"]))


def test_quantities_and_unit_prices_come_to_the_cost(tmp_path: Path) -> None:
    rows = focus(tmp_path, event(1))
    assert [(row["SkuMeter"], row["ConsumedQuantity"], row["ConsumedUnit"], row["PricingUnit"]) for row in rows] == [
        ("Input Tokens", Decimal(1000), "Tokens", "1000000 Tokens"),
        ("Output Tokens", Decimal(1000), "Tokens", "1000000 Tokens"),
    ]
    for row in rows:
        assert row["PricingQuantity"] * row["ContractedUnitPrice"] == row["ContractedCost"] == row["BilledCost"] == row["EffectiveCost"]
        assert row["PricingQuantity"] * row["ListUnitPrice"] == row["ListCost"]
    assert sum(row["BilledCost"] for row in rows) == Decimal("0.0125")


def test_both_versions_have_their_columns(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    old, new = focus(tmp_path / "a", event(1))[0], focus(tmp_path / "b", event(1), shape="focus-1.4")[0]
    assert set(old) - set(new) == {"ProviderName", "PublisherName"}
    assert {"ServiceProviderName", "HostProviderName", "InvoiceDetailId", "ContractApplied"} <= set(new) - set(old)
    assert (old["ProviderName"], old["PublisherName"], new["HostProviderName"]) == ("OpenAI", "OpenAI", "OpenAI")


def test_a_closed_month_is_corrected_in_the_month_of_booking(tmp_path: Path) -> None:
    """A call of October is taken back on 21 November: October's rows stay as they were invoiced."""
    october = NOON - 40 * DAY_NS
    wrong = event(1, start_ns=october, end_ns=october + 1, booked_ns=october + 2)
    undone = reversal(wrong, "payer_found", NOON)
    rows = focus(tmp_path, wrong, undone)
    assert [(row["ChargeClass"], row["BillingPeriodStart"], row["BilledCost"] > 0) for row in rows] == [
        (None, datetime(2026, 10, 1, tzinfo=UTC), True),
        (None, datetime(2026, 10, 1, tzinfo=UTC), True),
        ("Correction", datetime(2026, 11, 1, tzinfo=UTC), False),
        ("Correction", datetime(2026, 11, 1, tzinfo=UTC), False),
    ]
    assert sum(row["BilledCost"] for row in rows) == 0


def test_what_has_no_price_is_not_in_it(tmp_path: Path) -> None:
    assert focus(tmp_path, event(1, lines=(), cost_usd=None, list_cost_usd=None, price_state="unpriced"), event(2)) != []


@pytest.mark.parametrize(
    ("provider", "model", "whose"),
    [
        ("aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "Anthropic"),
        ("openrouter", "meta-llama/llama-3.3-70b-instruct", "Meta"),
        ("azure.ai.openai", "my-deployment", "Microsoft"),
        ("groq", "openai/gpt-oss-120b", "OpenAI"),
        (None, None, "Unknown"),
    ],
)
def test_who_made_a_model(provider: str | None, model: str | None, whose: str) -> None:
    assert maker(provider, model) == whose
    assert seller(provider).name


def test_units_have_names_without_words_of_scale() -> None:
    assert [meter(unit) for unit in ("cache_write_1h_tokens", "web_search_requests", "output_audio_ms")] == [
        "Cache Write 1h Tokens",
        "Web Searches",
        "Output Audio Seconds",
    ]
    assert [measured_in(unit) for unit in ("reasoning_tokens", "audio_ms", "images")] == [("Tokens", 1), ("Seconds", 1000), ("Images", 1)]
