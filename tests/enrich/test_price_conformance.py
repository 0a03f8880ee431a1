"""Every price of the captured programs, from an independent calculation, comes out of the shipped catalog to the last digit.

data/conformance_prices.jsonl holds the distinct calls of the captures with their counts and cost. "exact" costs are the truth of the
captures; "likely" ones are of calls whose provider or model the wire does not fully tell, given the right provider here.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from spanledger.enrich.money import text_from_atto
from spanledger.enrich.price import Catalog
from spanledger.enrich.records import Call, Usage

HEADER, *ROWS = (json.loads(line) for line in (Path(__file__).parent / "data" / "conformance_prices.jsonl").read_text().splitlines())
START_NS = int(datetime.fromisoformat(HEADER["date"]).timestamp()) * 10**9
CATALOG = Catalog.shipped()
DIFFERS = {"deepseek-reasoner": "0.00093296"}
"""The independent calculation used DeepSeek's price of early 2025, which our overlay corrects."""


def test_the_truth_is_all_there() -> None:
    assert len(ROWS) == 172
    assert sum(row[-1] == "exact" for row in ROWS) == 166


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[2]}-{row[3]}-{row[7]}")
def test_price(row: list[Any]) -> None:
    call = dict(zip(HEADER["columns"], row, strict=True))
    write, write_1h = call["cache_write_tokens"], call["cache_write_1h_tokens"]
    usage = Usage(
        call["input_tokens"],
        call["output_tokens"],
        call["cache_read_tokens"],
        write,
        None if write_1h is None else write - write_1h,
        write_1h,
        call["reasoning_tokens"],
    )
    priced = CATALOG.price(
        Call("test", provider=call["provider"], request_model=call["request_model"], response_model=call["response_model"], usage=usage),
        START_NS,
    )
    assert priced.cost_usd is not None, priced.reason
    assert text_from_atto(priced.cost_usd) == DIFFERS.get(call["response_model"], call["cost_usd"])
