"""The shipped catalog is what it says it is, loads fast by doing little, and a damaged one is refused."""

import gzip
import subprocess
import sys

import pytest

from spanledger.enrich.catalog.load import SHIPPED, CatalogError, CatalogFile, load, pack, unpack
from spanledger.enrich.catalog.rows import catalog_id, catalog_text, entry_from_line, entry_line, rate_id
from spanledger.enrich.money import rational_from_text
from spanledger.enrich.plans import held_rates, in_window

SHIPPED_ID = "rc1-100b529b914be8ce"
"""A price that changes is a new catalog: a rebuilt one puts its new id here, and into the changelog."""


def test_the_shipped_catalog_is_pinned() -> None:
    shipped = load()
    assert shipped.id == SHIPPED_ID
    assert shipped.label == "2026.11.21+genai-prices-0.2.3+litellm-1.109.1"


def test_packing_is_deterministic_and_canonical() -> None:
    entries = list(load().entries())
    text = catalog_text(reversed(entries))
    assert catalog_id(text) == SHIPPED_ID
    assert pack(text, load().label) == SHIPPED.read_bytes()
    assert all(entry_from_line(entry_line(entry)) == entry for entry in entries)


@pytest.mark.parametrize("damage", ["cut", "price", "header", "text", "empty"])
def test_a_damaged_catalog_is_refused(damage: str) -> None:
    data = SHIPPED.read_bytes()
    text = gzip.decompress(data).decode()
    damaged = {
        "cut": data[:-100],
        "price": gzip.compress(text.replace('"1.25"', '"1.26"', 1).encode()),
        "header": gzip.compress(b"{}\n" + text.split("\n", 1)[1].encode()),
        "text": b"prices",
        "empty": b"",
    }[damage]
    with pytest.raises(CatalogError):
        unpack(damaged)


def test_providers_are_parsed_when_asked_for() -> None:
    catalog = load()
    assert not catalog._shelves
    assert catalog.shelf("openai") is not None
    assert set(catalog._shelves) == {"openai"}
    assert catalog.shelf("nobody") is None


def test_a_name_may_hold_any_character() -> None:
    entry = next(load().entries())._replace(model='line\u2028separator \x85 \u00e9 "quoted"')
    assert list(CatalogFile(catalog_text([entry]), "").entries()) == [entry]


HEAVY = {"pyarrow", "duckdb", "pydantic", "numpy", "grpc", "genai_prices", "litellm"}


def test_pricing_imports_nothing_heavy() -> None:
    code = "import sys; from spanledger.enrich.price import Catalog; Catalog.shipped(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "spanledger.enrich.price" in done.stdout.split()
    assert HEAVY & set(done.stdout.split()) == set()


def test_every_rate_can_be_billed() -> None:
    """Amounts parse, periods are positive and in order, contexts and operators are known, ids are unique."""
    keys = set()
    ids = set()
    count = 0
    for entry in load().entries():
        for held in held_rates(entry):
            rate = held.rate
            assert rational_from_text(rate.amount)[0] >= 0
            assert len(rate.amount.partition(".")[2]) <= 9
            assert rate.per > 0
            assert held.from_ns < held.to_ns
            assert (rate.threshold > 0) == (rate.op in (">", ">="))
            assert not rate.window or isinstance(in_window(rate.window, 0), bool)
            keys |= {key for key, _ in rate.context}
            ids.add(rate_id(entry, rate))
            count += 1
    assert keys == {"service_tier", "region", "search_context_size", "search_type", "route"}
    assert len(ids) == count
    assert count > 15_000
