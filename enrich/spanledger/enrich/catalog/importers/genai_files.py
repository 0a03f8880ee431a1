"""genai-prices as it is handed around: its JSON, or its wheel, read without running anything in it.

Both give the objects that genai.py reads: things with the package's own attribute names.
"""

from __future__ import annotations

import ast
import io
import json
import zipfile
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal, InvalidOperation
from types import SimpleNamespace
from typing import Any, Final

_KEYS: Final = {
    # the end of a price's name: the end of its usage key, and how many of it the price is for
    "_mtok": ("_tokens", 1_000_000),
    "_mchars": ("_characters", 1_000_000),
    "_gpixels": ("_pixels", 1_000_000_000),
    "_kpages": ("_pages", 1000),
    "_hours": ("_seconds", 3600),
    "_kcount": ("", 1000),
}
_MODEL: Final = ("id", "match", "prices", "price_variants")
_DEFAULTS: Final = {"PriceVariant": {"constraint": None}, "ConditionalPrice": {"constraint": None}}
_CLAUSES: Final = frozenset({"starts_with", "ends_with", "contains", "regex", "equals"})


def units_of(providers: list[Any]) -> dict[str, Any]:
    """The unit registry that the names of the prices imply: "input_mtok" is a million input_tokens."""
    names = {key for provider in providers for model in provider.models for price in _price_sets(model) for key in vars(price)}
    found: dict[str, Any] = {}
    for name in sorted(names):
        for end, (usage_end, per) in _KEYS.items():
            if name.endswith(end):
                found[name.removesuffix(end) + usage_end] = {"price_key": name, "per": per}
    return found


def _price_sets(model: Any) -> list[Any]:
    sets = [item.prices for item in model.prices] if isinstance(model.prices, list) else [model.prices]
    return [*sets, *(variant.prices for variant in model.price_variants or ())]


# -- JSON ----------------------------------------------------------------------------------------------------------------


def from_json(data: bytes, log: list[str]) -> list[Any]:
    """The providers of genai-prices' data.json. Raises ValueError where it is not that."""
    said = json.loads(data, parse_float=Decimal, parse_int=int)
    if not isinstance(said, list):
        raise ValueError("genai-prices' JSON is a list of providers")
    return [_provider(item, log) for item in said]


def _provider(said: Any, log: list[str]) -> Any:
    if not isinstance(said, dict) or not isinstance(said.get("id"), str):
        raise ValueError("a provider of genai-prices' JSON has an id and models")
    models = []
    for model in said.get("models") or []:
        try:
            models.append(
                SimpleNamespace(
                    id=str(model["id"]),
                    match=_clause(model["match"]),
                    prices=_prices(model["prices"]),
                    price_variants=[_variant(each) for each in model.get("price_variants") or []],
                )
            )
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            log.append(f"not understood: {said['id']} {model.get('id') if isinstance(model, dict) else model!r}: {error}"[:300])
    return SimpleNamespace(id=said["id"], models=models)


def _clause(said: Mapping[str, Any]) -> Any:
    (kind, value), *others = said.items()
    if others:
        raise ValueError(f"a clause with {len(others) + 1} keys")
    if kind in ("or", "and"):
        return SimpleNamespace(**{f"{kind}_": [_clause(each) for each in value]})
    if kind not in _CLAUSES:
        raise ValueError(f"unknown clause {kind!r}")
    return SimpleNamespace(**{kind: str(value)})


def _prices(said: Any) -> Any:
    if isinstance(said, list):
        return [SimpleNamespace(constraint=_constraint(item.get("constraint")), prices=_price(item["prices"])) for item in said]
    return _price(said)


def _variant(said: Mapping[str, Any]) -> Any:
    return SimpleNamespace(
        when={str(key): str(value) for key, value in said["when"].items()},
        prices=_price(said["prices"]),
        constraint=_constraint(said.get("constraint")),
    )


def _constraint(said: Mapping[str, Any] | None) -> Any:
    if not said:
        return None
    if "start_date" in said:
        return SimpleNamespace(start_date=date.fromisoformat(said["start_date"]))
    return SimpleNamespace(start_time=time.fromisoformat(said["start_time"]), end_time=time.fromisoformat(said["end_time"]))


def _price(said: Mapping[str, Any]) -> Any:
    return SimpleNamespace(**{key: _amount(value) for key, value in said.items() if value is not None})


def _amount(said: Any) -> Any:
    if isinstance(said, Mapping):
        tiers = [SimpleNamespace(start=int(tier["start"]), price=Decimal(tier["price"])) for tier in said["tiers"]]
        return SimpleNamespace(base=Decimal(said["base"]), tiers=sorted(tiers, key=lambda tier: tier.start))
    return Decimal(said)


# -- wheel ---------------------------------------------------------------------------------------------------------------


def from_wheel(data: bytes, log: list[str]) -> list[Any]:
    """The providers in genai-prices' wheel: its data.py is read as a table of constructor calls, and not run.

    Raises ValueError where the wheel is another's.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as wheel:
            text = wheel.read("genai_prices/data.py").decode()
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError) as error:
        raise ValueError(f"not a wheel of genai-prices: {error}") from error
    for node in ast.parse(text).body:
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "providers" and isinstance(node.value, ast.List):
            return [_provider_of(each, log) for each in node.value.elts]
    raise ValueError("not a wheel of genai-prices: no list of providers in its data")


def _provider_of(node: ast.expr, log: list[str]) -> Any:
    arguments = _arguments(node)
    models = []
    for each in _elements(arguments["models"]):
        said = {name: value for name, value in _arguments(each).items() if name in _MODEL}
        try:
            models.append(SimpleNamespace(**{"price_variants": None, **{name: _value(value) for name, value in said.items()}}))
        except (ValueError, InvalidOperation) as error:
            log.append(f"not understood: {ast.unparse(said['id'])}: {error}"[:300])
    return SimpleNamespace(id=_value(arguments["id"]), models=models)


def _elements(node: ast.expr) -> list[ast.expr]:
    if not isinstance(node, ast.List):
        raise ValueError("not a wheel of genai-prices: its data has another form")
    return node.elts


def _arguments(node: ast.expr) -> dict[str, ast.expr]:
    if not isinstance(node, ast.Call) or node.args:
        raise ValueError("not a wheel of genai-prices: its data has another form")
    return {str(keyword.arg): keyword.value for keyword in node.keywords}


def _value(node: ast.expr) -> Any:
    """What an expression of the table is: a literal, a decimal, a date or time, or a thing with the attributes it is called with."""
    if isinstance(node, ast.List):
        return [_value(each) for each in node.elts]
    if not isinstance(node, ast.Call):
        return ast.literal_eval(node)
    name = ast.unparse(node.func)
    if name == "Decimal":
        return Decimal(ast.literal_eval(node.args[0]))
    if name in ("datetime.date", "datetime.time"):
        numbers = [ast.literal_eval(each) for each in node.args]
        said = {str(keyword.arg): keyword.value for keyword in node.keywords if keyword.arg != "tzinfo"}
        if said:
            raise ValueError(f"unknown argument of {name}: {', '.join(said)}")
        return date(*numbers) if name == "datetime.date" else time(*numbers)
    said = {key: _value(value) for key, value in _arguments(node).items()}
    return SimpleNamespace(**{**_DEFAULTS.get(name, {}), **said})
