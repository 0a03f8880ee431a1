"""A catalog that is written and read again is the same catalog, to its id; and what a person writes wrongly is named by its place."""

from __future__ import annotations

import json

import pytest

from spanledger.enrich.catalog.exporting import csv_text, json_text, packed, toml_text
from spanledger.enrich.catalog.importing import import_catalog
from spanledger.enrich.catalog.load import CatalogError, CatalogFile, load, unpack
from spanledger.enrich.catalog.rows import BASE, FILL, OVERLAY, Entry, Rate, catalog_text

RATES = (
    Rate("input_tokens", "2.50", 1_000_000, (("region", "eu"), ("service_tier", "batch")), 200_000, ">", "01:00-04:00 1-5"),
    Rate("output_tokens", "10", 1_000_000, effective_from="2026-01-01", effective_to="2026-02-01T16:00:00", effective_kind="observed"),
    Rate("audio_ms", "0.006", 60_000, minimum=10_000, increment=1000),
)
MATCH = ["any", [["equals", "gpt-x"], ["all", [["prefix", "gpt-"], ["contains", '"x'], ["regex", "x$"]]]]]
ENTRIES = [
    Entry("openai", "GPT-x", BASE, 7, MATCH, "a", "", RATES),
    Entry("openai", "GPT-x", FILL, 7, [], 'litellm, "quoted"\\', "2026-11-21", RATES[:1]),
    Entry("qwencloud", "*", OVERLAY, 0, ["prefix", ""], "ä\x7f", "", RATES[1:]),
]  # fmt: skip


def file_of(entries: list[Entry]) -> CatalogFile:
    return CatalogFile(catalog_text(entries), "a label")


@pytest.mark.parametrize("entries", [ENTRIES, None], ids=["odd", "shipped"])
def test_what_is_exported_is_imported_as_the_same(entries: list[Entry] | None) -> None:
    file = file_of(entries) if entries is not None else load()
    for kind, text in (("csv", csv_text(file.entries())), ("toml", toml_text(file.entries()))):
        assert import_catalog("".join(text).encode(), kind, label="", source="x").file.id == file.id
    again = unpack(packed("".join(json_text(file)).encode()))
    assert (again.id, again.label) == (file.id, file.label)


def test_another_digit_is_another_catalog_and_a_changed_json_is_refused() -> None:
    file = file_of(ENTRIES)
    text = "".join(csv_text(file.entries())).replace(",10,", ",11,")
    assert import_catalog(text.encode(), "csv", label="", source="x").file.id != file.id
    said = "".join(json_text(file)).replace('"amount":"10"', '"amount":"11"')
    with pytest.raises(CatalogError, match="was changed"):
        packed(said.encode())


@pytest.mark.parametrize("text", ["", "{}", "[]", "{", '{"entries": [{}], "catalog_id": "x", "label": ""}', json.dumps({"entries": 1})])
def test_what_is_no_exported_catalog_is_told(text: str) -> None:
    with pytest.raises(CatalogError, match="not an exported catalog"):
        packed(text.encode())


HEAD = "provider,model,unit,amount,per,context,match,rank,order\n"
ROW = "openai,gpt-x,input_tokens,1,1,{},{},{},{}\n"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (("batch", "", "", ""), "line 2: context is written service_tier=batch region=eu"),
        (("", '"[""like"",""x""]"', "", ""), "line 2: .*is no match"),
        (("", "{}", "", ""), "line 2: {} is no match"),
        (("", "", "first", ""), "line 2: rank is one of overlay, base, fill"),
        (("", "", "", "last"), "line 2: rank is one of"),
    ],
)
def test_a_wrong_field_is_named(fields: tuple[str, ...], said: str) -> None:
    with pytest.raises(CatalogError, match=said):
        import_catalog((HEAD + ROW.format(*fields)).encode(), "csv", label="", source="x")
    assert import_catalog((HEAD + ROW.format("", "", "", "")).encode(), "csv", label="", source="x").file.providers() == ["openai"]


TOML = """
[[entry]]
provider = "openai"
models = ["GPT-x"]
rates = [{ unit = "input_tokens", amount = "2.50", per = 1000000, from = 2026-01-01, context = { service_tier = "batch" } }]
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"2.50"', "2.5", "entry 1 rate 1: an amount is text"),
        ('"2.50"', '"lots"', "entry 1 rate 1: .*lots"),
        ("per = 1000000", "pro = 1", "entry 1 rate 1: unknown pro"),
        ("from = 2026-01-01", 'from = "soon"', "entry 1 rate 1: .*soon"),
        ('{ service_tier = "batch" }', '"batch"', "entry 1 rate 1: "),
        ("models", "modles", "entry 1: unknown modles"),
        ('models = ["GPT-x"]', 'match = ["like", "x"]', r"entry 1: \['like', 'x'\] is no match"),
        ('models = ["GPT-x"]', "", "entry 1: no models"),
        ('provider = "openai"', "", "entry 1: no provider"),
        ('provider = "openai"', 'provider = "openai"\nrank = "first"', "entry 1: rank is one of"),
        ("[[entry]]", "[[entries]]", r"unknown entries: prices are \[\[entry\]\] tables"),
        ("[[entry]]", "[entry]", "with two brackets"),
    ],
)
def test_a_wrong_entry_is_named(old: str, new: str, said: str) -> None:
    with pytest.raises(CatalogError, match=said):
        import_catalog(TOML.replace(old, new).encode(), "toml", label="", source="prices.toml")
    assert import_catalog(TOML.encode(), "toml", label="", source="prices.toml").file.providers() == ["openai"]
