"""docs/metering.md says what the code does: its examples are valid, and its sums come out."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from spanledger.cli.config import Config
from spanledger.enrich import findings
from spanledger.enrich.config import EnrichConfig, shared_costs
from spanledger.enrich.failures import SHIPPED_RULES
from spanledger.enrich.money import text_from_atto
from spanledger.enrich.retrieved import RETRIEVED_ESTIMATE
from spanledger.enrich.shared import graduated_cost
from tests.cli.otlp import chat, span
from tests.enrich.metering import Metered, configured
from tests.enrich.test_meters import agent, tool

TEXT = (Path(__file__).parents[2] / "docs" / "metering.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
METERS, TIERS, FAILURES, FLAGS, SHARED = BLOCKS


def cost(*spans: Any) -> str:
    """What these spans cost under the page's meters."""
    [event] = Metered(METERS).send(*spans)
    assert event.cost_usd is not None
    return f"{text_from_atto(event.cost_usd)} USD"


def test_every_example_is_a_valid_configuration() -> None:
    for block in BLOCKS:
        Config.model_validate(tomllib.loads(block))


def test_the_sums_of_the_meters() -> None:
    usage = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100}
    sums = [
        ("one `web_search`", cost(tool(2))),
        ("a sandbox", cost(span(1, 1, {"sandbox.size": "small", "sandbox.cpu_seconds": 0.35}, name="run"))),
        ("a retrieval", cost(span(1, 1, {"gen_ai.operation.name": "retrieval", "db.read_units": 25}, name="retrieval"))),
        ("the vendor's agent", cost(agent(2, **usage))),
    ]
    for begins, usd in sums:
        [row] = [line for line in TEXT.splitlines() if line.startswith(f"| {begins}")]
        assert row.endswith(f"= {usd} |"), usd


def test_the_sum_of_the_tiers() -> None:
    [shared] = shared_costs(configured(TIERS))
    assert text_from_atto(graduated_cost(3000, shared.rates[0])) == "26"
    assert "are 26 USD" in TEXT


def test_the_failure_rules() -> None:
    for rule in SHIPPED_RULES:
        assert any(f"`{rule.provider}`" in line and f"| {rule.billing} |" in line for line in TEXT.splitlines())
    failed = chat(1, 1, attributes={"error.type": "500"}) | {"status": {"code": 2}}
    [event] = Metered(FAILURES).send(failed)
    assert (event.provider_billing, event.price_reason, event.cost_usd) == ("not_billed", "not_billed", 0)


def test_the_flags_are_those_there_are() -> None:
    names = {findings.LARGE_PROMPT, findings.FALLBACK_MODEL, findings.LOOP_DEPTH, findings.LOOP_REPEATS, RETRIEVED_ESTIMATE}
    assert set(re.findall(r"\b\w+\.v\d\b", FLAGS)) == names
    assert configured(FLAGS).flags.rules().any


def test_the_shared_costs() -> None:
    vector_db, platform = shared_costs(EnrichConfig.model_validate(tomllib.loads(SHARED)["enrich"]))
    assert [text_from_atto(vector_db.amount_usd(month)) for month in ("2026-10", "2026-11")] == ["1200", "1321.07"]
    assert platform.pool == {"tenant": ("platform",)}
