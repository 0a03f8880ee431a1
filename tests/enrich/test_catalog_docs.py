"""docs/catalog.md says what the code does: every unit, every reason, every seller, every context."""

from pathlib import Path

from spanledger.enrich.catalog.rows import Rate
from spanledger.enrich.catalog.units import CHARGED_EXTRAS, INSTEAD_OF_TOKENS, PARTS
from spanledger.enrich.rates import SELLERS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "catalog.md").read_text(encoding="utf-8")
REASONS = ["no_usage", "unknown_model", "no_rate:", "no_rate_for_tier:", "not_effective_yet", "parts_exceed_total", "count_out_of_range"]


def test_every_unit_is_documented() -> None:
    assert [unit for unit in (*PARTS, *INSTEAD_OF_TOKENS, *CHARGED_EXTRAS) if f"`{unit}`" not in TEXT] == []


def test_every_field_of_a_rate_is_documented() -> None:
    assert [field for field in Rate._fields if field not in TEXT] == []


def test_every_reason_is_documented_and_there_are_no_others() -> None:
    code = "".join((ROOT / "enrich" / "spanledger" / "enrich" / name).read_text(encoding="utf-8") for name in ("price.py", "plans.py"))
    assert [reason for reason in REASONS if f"`{reason}" not in TEXT or f'"{reason}' not in code] == []


def test_every_seller_is_documented() -> None:
    for seller, others in SELLERS.items():
        assert f"| `{seller}` | {', '.join(f'`{other}`' for other in others)} |" in TEXT


def test_the_sources_are_attributed() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    for words in ("genai-prices 0.2.3", "Copyright (c) Pydantic Services Inc.", "LiteLLM 1.109.1", "Copyright (c) 2023 Berri AI"):
        assert words in notice
    assert notice.count("Permission is hereby granted, free of charge") == 2
