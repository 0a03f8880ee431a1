"""The arithmetic of a customer's price on the page that is sent: it adds up, and says nothing of what the call cost us."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.otlp import as_protobuf, chat
from tests.cli.runner import spanledger

TERMS = """
[[contracts]]
name = "Secret frame contract"
provider = "openai"
discount = "7.5"

[[customers]]
name = "own card"
tenants = ["carded"]
provider = "openai"
from = 2025-01-01
rates = [{ unit = "input_tokens", amount = "3", per = 1000000 }, { unit = "output_tokens", amount = "12", per = 1000000 }]

[[customers]]
name = "on list"
tenants = ["listed"]
markup = "20"
basis = "list"

[[customers]]
name = "everybody else"
markup = "37"
"""
# gpt-4o: 2.5 in and 10 out; 1000 in and 100 out are 0.0025 + 0.001 at list, 0.0023125 + 0.000925 = 0.0032375 under contract
SECRETS = (
    "Secret frame",
    "7.5",
    "0.925",
    "0.0032375",
    "0.0023125",
    "0.000925",
    "0.0035 ",
    "2.3125",
    "9.25",
    "1.37",
    "k-",
    "r-",
    "pb1-",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("customer")
    (folder / "terms.toml").write_text(TERMS)
    assert spanledger("prices", "import", folder / "terms.toml", "--activate", "--data", folder / "data").code == 0
    tenants = ("carded", "listed", "other")
    counts = {"input_tokens": 1000, "output_tokens": 100}
    spans = [chat(n, n * 10 + 1, tenant, model="gpt-4o-2024-08-06", **counts) for n, tenant in enumerate(tenants, 1)]  # type: ignore[arg-type]
    (folder / "spans.pb").write_bytes(as_protobuf(*spans))
    assert spanledger("ingest", "--data", folder / "data", folder / "spans.pb").code == 0
    return folder / "data"


def page(data: Path, tenant: str, output: str = "text") -> str:
    answer = spanledger("explain", "--data", data, "--tenant", tenant, "--for", "customer", "--format", output)
    assert answer.code == 0, answer.err
    return answer.out


def test_own_rates_add_up(data: Path) -> None:
    said = page(data, "carded")  # 1000 x 3 + 100 x 12 millionths
    for line in (
        "input_tokens: 1,000 * 3 / 1,000,000 = 0.003 USD",
        "output_tokens: 100 * 12 / 1,000,000 = 0.0012 USD",
        "as agreed, from 2025-01-01",
        "0.003 + 0.0012 = 0.0042 USD",
    ):
        assert line in said


def test_a_markup_on_published_prices_shows_these(data: Path) -> None:
    said = page(data, "listed")
    assert "input_tokens: 1,000 * 3 / 1,000,000 = 0.003 USD" in said
    assert "published price 2.5 USD / 1,000,000, times 1.2 as agreed" in said
    assert "0.003 + 0.0012 = 0.0042 USD" in said


def test_a_markup_on_our_cost_shows_the_rate_and_not_the_cost(data: Path) -> None:
    said = page(data, "other")  # 2.5 x 0.925 x 1.37 = 3.168125, 10 x 0.925 x 1.37 = 12.6725
    assert "input_tokens: 1,000 * 3.168125 / 1,000,000 = 0.003168125 USD" in said
    assert "0.003168125 + 0.00126725 = 0.004435375 USD" in said
    assert "published price" not in said


@pytest.mark.parametrize("output", ["text", "json", "markdown", "html"])
@pytest.mark.parametrize("tenant", ["carded", "listed", "other"])
def test_nothing_says_what_it_cost_us(data: Path, tenant: str, output: str) -> None:
    said = page(data, tenant, output)
    body = said.partition("<body>")[2] or said
    ids = [word for word in body.replace('"', " ").replace(">", " ").replace("<", " ").split() if len(word) < 15]  # ids are of any digits
    assert [secret for secret in SECRETS if any(secret in word for word in ids)] == []
    assert "Secret frame" not in body
    assert "everybody else" not in body
    full = spanledger("explain", "--data", data, "--tenant", "other", "--format", "json").out
    assert "0.0032375" in full  # the control: what is left out above is there to be found


def test_the_lines_of_every_part_sum_to_its_price(data: Path) -> None:
    for tenant in ("carded", "listed", "other"):
        for call in json.loads(page(data, tenant, "json"))["explanations"]:
            for part in call["price"]["parts"]:
                assert part["customer_note"] is None
                assert len(part["customer_lines"]) == 2
