"""A checker of FOCUS rows: the rules of the specification that concern us, as data, and the query that counts what breaks each.

Sources: FOCUS 1.2 and 1.4, dataset Cost and Usage; a rule is called by the name of its column and, where 1.2's model of requirements has
one, by its number there. What a rule says of providers (names that are unique, price lists that are published) no row can break.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import duckdb


class Rule(NamedTuple):
    """`broken` is true of a row that breaks it; a rule is of `versions`, and of datasets that have all its `columns`."""

    name: str
    says: str
    broken: str
    columns: tuple[str, ...]
    versions: tuple[str, ...] = ("1.2", "1.4")


class Broken(NamedTuple):
    """A rule that so many rows break."""

    rule: str
    says: str
    rows: int


_SHARED: Final = (
    "AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType", "BillingCurrency",
    "BillingPeriodEnd", "BillingPeriodStart", "CapacityReservationId", "CapacityReservationStatus", "ChargeCategory", "ChargeClass",
    "ChargeDescription", "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "CommitmentDiscountCategory",
    "CommitmentDiscountId", "CommitmentDiscountName", "CommitmentDiscountQuantity", "CommitmentDiscountStatus",
    "CommitmentDiscountType", "CommitmentDiscountUnit", "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "ContractedUnitPrice",
    "EffectiveCost", "InvoiceId", "InvoiceIssuerName", "ListCost", "ListUnitPrice", "PricingCategory", "PricingCurrency",
    "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost", "PricingCurrencyListUnitPrice", "PricingQuantity",
    "PricingUnit", "RegionId", "RegionName", "ResourceId", "ResourceName", "ResourceType", "ServiceCategory", "ServiceName",
    "ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceDetails", "SkuPriceId", "SubAccountId", "SubAccountName", "SubAccountType",
    "Tags",
)  # fmt: skip
COLUMNS: Final[Mapping[str, frozenset[str]]] = {
    "1.2": frozenset((*_SHARED, "ProviderName", "PublisherName")),
    "1.4": frozenset(
        (*_SHARED, "ServiceProviderName", "HostProviderName", "InvoiceDetailId", "ContractApplied", "CommitmentProgramEligibilityDetails",
         "AllocatedMethodId", "AllocatedMethodDetails", "AllocatedResourceId", "AllocatedResourceName", "AllocatedTags")
    ),
}  # fmt: skip
"""Every column of the dataset; all of them are in an export, those that nothing is known of with NULL."""

_TIMES: Final = ("BillingPeriodEnd", "BillingPeriodStart", "ChargePeriodEnd", "ChargePeriodStart")
_NUMBERS: Final = (
    *("BilledCost", "CommitmentDiscountQuantity", "ConsumedQuantity", "ContractedCost", "ContractedUnitPrice", "EffectiveCost", "ListCost"),
    *("ListUnitPrice", "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost", "PricingCurrencyListUnitPrice"),
    "PricingQuantity",
)
_NEVER_NULL: Final = (
    *("BilledCost", "BillingAccountId", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeFrequency"),
    *("ChargePeriodEnd", "ChargePeriodStart", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingCurrency"),
    *("PricingCurrencyEffectiveCost", "ServiceCategory", "ServiceName", "ServiceSubcategory", "ChargeDescription"),
)
_NAMED: Final = {"1.2": ("ProviderName", "PublisherName"), "1.4": ("ServiceProviderName", "HostProviderName")}
_OF_SKUS: Final = (
    *("PricingQuantity", "PricingCategory", "SkuId", "SkuPriceId", "ListUnitPrice", "ContractedUnitPrice"),
    *("PricingCurrencyListUnitPrice", "PricingCurrencyContractedUnitPrice"),
)
_UNIT_PRICES: Final = tuple(name for name in _NUMBERS if name.endswith("UnitPrice"))
_ALLOWED: Final[Mapping[str, tuple[str, ...]]] = {
    "ChargeCategory": ("Usage", "Purchase", "Tax", "Credit", "Adjustment"),
    "ChargeClass": ("Correction",),
    "ChargeFrequency": ("One-Time", "Recurring", "Usage-Based"),
    "PricingCategory": ("Standard", "Dynamic", "Committed", "Other"),
    "CommitmentDiscountCategory": ("Spend", "Usage"),
    "CommitmentDiscountStatus": ("Used", "Unused"),
    "CapacityReservationStatus": ("Used", "Unused"),
    "ServiceCategory": ("AI and Machine Learning", "Compute", "Other"),
    "ServiceSubcategory": ("Generative AI", "Other (AI and Machine Learning)", "Other (Compute)", "Other (Other)"),
}
"""Of the services only what a ledger of model calls can be."""
_TOGETHER: Final = (
    *(("ConsumedUnit", "ConsumedQuantity"), ("PricingUnit", "PricingQuantity"), ("RegionName", "RegionId"), ("ResourceType", "ResourceId")),
    *(("SubAccountName", "SubAccountId"), ("BillingAccountType", "BillingAccountId"), ("SkuMeter", "SkuId")),
)
"""The first is there where the second is, and only there."""
_ONLY_WITH: Final = (
    *(("CommitmentDiscountStatus", "CommitmentDiscountId"), ("CommitmentDiscountName", "CommitmentDiscountId")),
    *(("CommitmentDiscountType", "CommitmentDiscountId"), ("CommitmentDiscountCategory", "CommitmentDiscountId")),
    *(("CommitmentDiscountQuantity", "CommitmentDiscountId"), ("CommitmentDiscountUnit", "CommitmentDiscountQuantity")),
    *(("CapacityReservationStatus", "CapacityReservationId"), ("ResourceName", "ResourceId"), ("SkuPriceDetails", "SkuPriceId")),
    ("SubAccountType", "SubAccountId"),
)
"""The first is not there without the second."""
_UNIT: Final = "^([1-9][0-9]* )?[A-Z][A-Za-z0-9_-]*( [A-Z0-9][A-Za-z0-9_-]*)*$"
_SOLD: Final = "ChargeCategory IN ('Usage', 'Purchase') AND ChargeClass IS DISTINCT FROM 'Correction'"


def _never_null(name: str, versions: tuple[str, ...] = ("1.2", "1.4")) -> Rule:
    empty = "" if name in (*_TIMES, *_NUMBERS) else f" OR trim({name}) = ''"
    return Rule(f"{name}: not null", "is never NULL, and never blank", f"{name} IS NULL{empty}", (name,), versions)


def _product(price: str, cost: str) -> Rule:
    """Prices have 18 decimals and quantities nine, so the product of two that were rounded is near the cost, not always the cost."""
    price_, quantity, cost_ = (f"CAST({name} AS DOUBLE)" for name in (price, "PricingQuantity", cost))
    near = f"abs({cost_}) * 1e-9 + {price_} * 1e-9 + abs({quantity}) * 1e-18 + 1e-18"
    broken = f"ChargeClass IS DISTINCT FROM 'Correction' AND abs({price_} * {quantity} - {cost_}) > {near}"
    return Rule(f"{price}: product", f"times PricingQuantity is {cost}", broken, (price, "PricingQuantity", cost, "ChargeClass"))


def _json_object(name: str, says: str, broken: str) -> Rule:
    is_object = f"coalesce(json_type(CASE WHEN json_valid({name}) THEN {name} END), '') = 'OBJECT'"
    text = f"{name} IS NOT NULL AND (CASE WHEN {is_object} THEN {broken} ELSE true END)"
    return Rule(f"{name}: JSON", says, text, (name,))


RULES: Final[tuple[Rule, ...]] = (
    *(_never_null(name) for name in _NEVER_NULL),
    *(_never_null(name, (version,)) for version, names in _NAMED.items() for name in names),
    *(
        Rule(f"{name}: allowed", f"is one of {', '.join(values)}", f"{name} NOT IN ({', '.join(map(repr, values))})", (name,))
        for name, values in _ALLOWED.items()
    ),
    *(
        Rule(f"{name}: together", f"is NULL exactly where {other} is", f"({name} IS NULL) <> ({other} IS NULL)", (name, other))
        for name, other in _TOGETHER
    ),
    *(
        Rule(f"{name}: only with", f"is NULL where {other} is", f"{name} IS NOT NULL AND {other} IS NULL", (name, other))
        for name, other in _ONLY_WITH
    ),
    *(
        Rule(f"{name}: of what is sold", "is not NULL for usage and purchases, corrections aside", f"{_SOLD} AND {name} IS NULL",
             (name, "ChargeCategory", "ChargeClass"))
        for name in _OF_SKUS
    ),
    *(Rule(f"{name}: sign", "is not negative", f"{name} < 0", (name,)) for name in _UNIT_PRICES),
    _product("ListUnitPrice", "ListCost"),
    _product("ContractedUnitPrice", "ContractedCost"),
    *(
        Rule(f"{name}: national", "is a code of three letters", f"NOT regexp_full_match({name}, '[A-Z]{{3}}')", (name,))
        for name in ("BillingCurrency", "PricingCurrency")
    ),
    *(
        Rule(f"{name}: format", "is a unit, with a whole number before it where it is for many", f"NOT regexp_matches({name}, '{_UNIT}')",
             (name,))
        for name in ("ConsumedUnit", "PricingUnit")
    ),
    Rule("BillingPeriodStart: month", "is the first moment of a month", "BillingPeriodStart <> date_trunc('month', BillingPeriodStart)",
         ("BillingPeriodStart",)),
    Rule("BillingPeriodEnd: month", "is the first moment of the month after", "BillingPeriodEnd <> BillingPeriodStart + INTERVAL 1 MONTH",
         ("BillingPeriodStart", "BillingPeriodEnd")),
    Rule("ChargePeriodEnd: after", "is after ChargePeriodStart, as it is exclusive", "ChargePeriodEnd <= ChargePeriodStart",
         ("ChargePeriodStart", "ChargePeriodEnd")),
    Rule("ChargePeriodStart: before", "is before the end of the billing period", "ChargePeriodStart >= BillingPeriodEnd",
         ("ChargePeriodStart", "BillingPeriodEnd")),
    Rule("ChargeClass: closed", "is Correction exactly where the charge is of an earlier billing period",
         "(ChargeClass IS NOT DISTINCT FROM 'Correction') <> (ChargePeriodStart < BillingPeriodStart)",
         ("ChargeClass", "ChargePeriodStart", "BillingPeriodStart")),
    Rule("ChargeFrequency: purchases", "is not Usage-Based for a purchase",
         "ChargeCategory = 'Purchase' AND ChargeFrequency = 'Usage-Based'",
         ("ChargeFrequency", "ChargeCategory")),
    Rule("ConsumedQuantity: usage only", "is NULL for what is not usage", "ChargeCategory <> 'Usage' AND ConsumedQuantity IS NOT NULL",
         ("ConsumedQuantity", "ChargeCategory")),
    Rule("ConsumedQuantity: of usage", "is not NULL for usage, corrections aside",
         "ChargeCategory = 'Usage' AND ChargeClass IS DISTINCT FROM 'Correction' AND ConsumedQuantity IS NULL",
         ("ConsumedQuantity", "ChargeCategory", "ChargeClass")),
    Rule("ResourceName: no copy", "does not repeat ResourceId", "ResourceName = ResourceId", ("ResourceName", "ResourceId")),
    Rule("ServiceSubcategory: parent", "is one of its ServiceCategory's",
         "CASE ServiceSubcategory WHEN 'Generative AI' THEN ServiceCategory <> 'AI and Machine Learning' "
         "ELSE ServiceSubcategory <> 'Other (' || ServiceCategory || ')' END", ("ServiceCategory", "ServiceSubcategory")),
    _json_object("Tags", "is a JSON object of plain values",
                 "len(list_filter(json_extract(Tags, '$.*'), lambda value: json_type(value) IN ('OBJECT', 'ARRAY'))) > 0"),
    _json_object("SkuPriceDetails", "is a JSON object whose keys of our own begin with x_",
                 "len(list_filter(json_keys(SkuPriceDetails), lambda key: NOT starts_with(key, 'x_'))) > 0"),
)  # fmt: skip

_ONE_EACH: Final = (("SkuPriceId", "SkuId"), ("SkuId", "SkuMeter"), ("ServiceName", "ServiceCategory"))
"""Each value of the first has one value of the second."""


def check_rows(connection: duckdb.DuckDBPyConnection, version: str, rows: str, values: Mapping[str, Any] | None = None) -> list[Broken]:
    """The rules of a version that rows break; `rows` is what stands after FROM, `values` what is bound in it."""
    bound = dict(values or {})
    described = connection.execute(f"DESCRIBE SELECT * FROM {rows}", bound).fetchall()  # noqa: S608 - our own text
    types = {name: kind for name, kind, *_ in described}
    found = [*_columns_broken(version, types)]
    rules = [rule for rule in RULES if version in rule.versions and types.keys() >= set(rule.columns)]
    counts = ", ".join(f"count(*) FILTER ({rule.broken})" for rule in rules)
    ((*broken,),) = connection.execute(f"SELECT {counts} FROM {rows}", bound).fetchall()  # noqa: S608 - our own text
    found += [Broken(rule.name, rule.says, count) for rule, count in zip(rules, broken, strict=True) if count]
    for one, other in _ONE_EACH:
        if {one, other} <= types.keys():
            many = f"SELECT {one} FROM {rows} WHERE {one} IS NOT NULL GROUP BY {one} HAVING count(DISTINCT {other}) > 1"  # noqa: S608 - as above
            ((count,),) = connection.execute(f"SELECT count(*) FROM ({many})", bound).fetchall()  # noqa: S608 - as above
            found += [Broken(f"{one}: one {other}", f"has one {other}", count)] if count else []
    return found


def _columns_broken(version: str, types: Mapping[str, str]) -> Iterable[Broken]:
    """What is wrong with the columns: missing, not FOCUS' and not ours, or of another type."""
    for name in sorted(COLUMNS[version] - types.keys()):
        yield Broken(f"{name}: present", "is a column", 1)
    for name in sorted(types.keys() - COLUMNS[version]):
        if not name.startswith("x_"):
            yield Broken(f"{name}: own", "is no column of FOCUS, so that its name must begin with x_", 1)
    for name in sorted(COLUMNS[version] & types.keys()):
        if not types[name].startswith(_kinds(name)):
            yield Broken(f"{name}: type", f"is of type {' or '.join(_kinds(name))}", 1)


def _kinds(name: str) -> tuple[str, ...]:
    if name in _TIMES:
        return ("TIMESTAMP",)
    return ("DECIMAL",) if name in _NUMBERS else ("VARCHAR",)


def version_of(shape: str) -> str | None:
    """The version of FOCUS that a shape is, by its name; None where it is none."""
    return {"focus": "1.2", "focus-1.4": "1.4"}.get(shape)


def told(broken: Sequence[Broken]) -> str:
    """What is broken, in a line."""
    return "; ".join(f"{rule} ({says}): {rows}" for rule, says, rows in broken)
