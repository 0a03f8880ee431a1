"""Price lists of others, and of one's own, become catalogs: the same content has the same id, and nothing is left out silently."""

import io
import json
import zipfile

import pytest

from spanledger.enrich.catalog.importing import KINDS, import_catalog, kind_of
from spanledger.enrich.catalog.load import CatalogError, pack, unpack
from spanledger.enrich.catalog.rows import Rate, catalog_text

M = 1_000_000
GENAI = [
    {
        "id": "x-ai",
        "name": "xAI",
        "models": [
            {
                "id": "grok-x",
                "match": {"or": [{"equals": "grok-x"}, {"starts_with": "grok-x-"}]},
                "prices": [
                    {"prices": {"input_mtok": 3, "output_mtok": 0.18000000000000002}},
                    {
                        "constraint": {"start_date": "2026-03-01"},
                        "prices": {"input_mtok": {"base": 2, "tiers": [{"start": 199999, "price": 4}]}, "output_mtok": 8},
                    },
                ],
                "price_variants": [{"when": {"processing": "batch"}, "prices": {"input_mtok": 1.5}}],
            },
            {"id": "odd", "match": {"fuzzy": "x"}, "prices": {"input_mtok": 1}},
        ],
    }
]
WHEEL = """
import datetime
from decimal import Decimal
from .types import *
open('/never', 'w')
providers: list[Provider] = [
    Provider(id='x-ai', name='xAI', api_pattern='x', models=[
        ModelInfo(
            id='grok-x',
            match=ClauseOr(or_=[ClauseEquals(equals='grok-x'), ClauseStartsWith(starts_with='grok-x-')]),
            prices=[
                ConditionalPrice(prices=ModelPrice(input_mtok=Decimal('3'), output_mtok=Decimal('0.18000000000000002'))),
                ConditionalPrice(
                    constraint=StartDateConstraint(start_date=datetime.date(2026, 3, 1)),
                    prices=ModelPrice(
                        input_mtok=TieredPrices(base=Decimal('2'), tiers=[Tier(start=199999, price=Decimal('4'))]), output_mtok=Decimal('8')
                    ),
                ),
            ],
            price_variants=[PriceVariant(when={'processing': 'batch'}, prices=ModelPrice(input_mtok=Decimal('1.5')))],
        ),
    ]),
]
"""
CSV = """provider,model,unit,amount,per,service_tier,effective_from,minimum
azure,GPT-x,input_tokens,2.50,1000000,,,
azure,GPT-x,input_tokens,1.25,1000000,batch,2026-03-01T12:00:00Z,
groq,whisper*,audio_ms,0.111,3600000,,,10000
"""


def wheel(**files: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/") + (".json" if name.endswith("backup") else ".py"), text)
    return data.getvalue()


def test_genai_prices_json_and_wheel_say_the_same_and_the_wheel_is_not_run() -> None:
    said = import_catalog(json.dumps(GENAI).encode(), "genai-prices", label="x", source="genai")
    read = import_catalog(wheel(genai_prices__data=WHEEL), "genai-prices", label="x", source="genai")
    assert said.file.id == read.file.id
    [entry] = said.file.entries()
    assert (entry.provider, entry.model, entry.match) == ("x_ai", "grok-x", ["any", [["equals", "grok-x"], ["prefix", "grok-x-"]]])
    assert set(entry.rates) == {
        Rate("input_tokens", "3", M, effective_to="2026-03-01", effective_kind="published"),
        Rate("output_tokens", "0.18", M, effective_to="2026-03-01", effective_kind="published"),
        Rate("input_tokens", "2", M, effective_from="2026-03-01", effective_kind="published"),
        Rate("input_tokens", "4", M, (), 200_000, ">=", effective_from="2026-03-01", effective_kind="published"),
        Rate("output_tokens", "8", M, effective_from="2026-03-01", effective_kind="published"),
        Rate("input_tokens", "1.5", M, (("service_tier", "batch"),)),
    }
    assert [remark.partition(":")[0] for remark in said.report] == ["float noise", "not understood"]


def test_litellm_alone_is_a_catalog() -> None:
    models = {
        "gpt-x": {
            "litellm_provider": "openai",
            "mode": "chat",
            "input_cost_per_token": 2e-6,
            "regional_processing_uplift_multiplier_eu": 1.1,
        },
        "claude-x": {"litellm_provider": "anthropic", "input_cost_per_token": 3e-6, "provider_specific_entry": {"us": 1.1, "fast": 2}},
        "sample_spec": {"litellm_provider": "x"},
    }
    text = json.dumps(models)
    said = import_catalog(text.encode(), "litellm", label="x", source="litellm 1", as_of="2026-11-21")
    packed = wheel(litellm__model_prices_and_context_window_backup=text)
    assert import_catalog(packed, "litellm", label="x", source="litellm 1").file.id == said.file.id
    assert {entry.model: set(entry.rates) for entry in said.file.entries()} == {
        "gpt-x": {Rate("input_tokens", "2", M), Rate("*", "1.1", 1, (("region", "eu"),))},
        "claude-x": {Rate("input_tokens", "3", M), Rate("*", "1.1", 1, (("region", "us"),))},
    }
    assert said.report == ("litellm key not modelled: sample_spec",)


def test_a_csv_of_ones_own() -> None:
    said = import_catalog(CSV.encode(), "csv", label="ours", source="contract page 3")
    entries = {(entry.provider, entry.model): entry for entry in said.file.entries()}
    azure, groq = entries["azure.ai.openai", "gpt-x"], entries["groq", "whisper*"]
    assert (azure.match, azure.source) == (["equals", "gpt-x"], "contract page 3")
    assert azure.rates == (
        Rate("input_tokens", "1.25", M, (("service_tier", "batch"),), effective_from="2026-03-01T12:00:00", effective_kind="published"),
        Rate("input_tokens", "2.50", M),
    )
    assert (groq.match, groq.rates) == (["prefix", "whisper"], (Rate("audio_ms", "0.111", 3_600_000, minimum=10_000),))
    # the order of rows makes no difference between models, and a catalog file read back is the same
    own = import_catalog(said.body, "spanledger", label="ours", source="")
    assert own.file.id == said.file.id == unpack(said.body).id
    assert own.body == said.body == pack(catalog_text(said.file.entries()), "ours")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",minimum", ",minimun", "unknown column minimun"),
        ("provider,", "", "column provider is missing"),
        ("2.50", "cheap", "line 2: not a decimal"),
        ("2.50", "-1", "line 2: input_tokens: a price is not negative"),
        ("2.50", "", "line 2: amount is empty"),
        ("1000000,,,\n", "1e6,,,\n", "line 2: per is a whole number"),
        ("2026-03-01T12:00:00Z", "March", "line 3: "),
        ("whisper*", "*whisper", "a model is a name"),
        ("groq,", "groq,x,", "line 4: it has not as many fields"),
        (CSV, "provider,model,unit,amount,per\n", "no prices"),
        (CSV, "\xff", "csv"),
    ],
)
def test_a_mistake_in_a_csv_is_an_error_with_its_line(old: str, new: str, message: str) -> None:
    with pytest.raises(CatalogError, match=message):
        import_catalog(CSV.replace(old, new, 1).encode("latin-1"), "csv", label="", source="x")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"[1]", b"\x1f\x8bx", b"PK\x03\x04", b"null", b"\xff\xfe"])
def test_what_is_no_price_list_is_refused(kind: str, data: bytes) -> None:
    with pytest.raises(CatalogError):
        import_catalog(data, kind, label="", source="")


def test_patterns_are_checked_when_they_come_in() -> None:
    broken = [{"id": "openai", "models": [{"id": "m", "match": {"regex": "("}, "prices": {"input_mtok": 1}}]}]
    with pytest.raises(CatalogError, match="a pattern of a model name"):
        import_catalog(json.dumps(broken).encode(), "genai-prices", label="", source="x")


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (b"provider,", "prices.CSV", "csv"),
        (b"[[entry]]", "prices.toml", "toml"),
        (b" [{", "data.json", "genai-prices"),
        (b"{", "model_prices.json", "litellm"),
        (b"\x1f\x8b", "ours", "spanledger"),
        (wheel(genai_prices__data=""), "x.whl", "genai-prices"),
        (wheel(litellm__model_prices_and_context_window_backup="{}"), "x.whl", "litellm"),
        (wheel(other=""), "x.whl", None),
        (b"x", "prices.txt", None),
    ],
)
def test_kind_of(data: bytes, name: str, kind: str | None) -> None:
    assert kind_of(data, name) == kind
