"""The ledger in FOCUS, the FinOps Open Cost and Usage Specification: one row a priced line, in version 1.2 and with 1.4's columns.

Source of the columns and their rules: FOCUS 1.2 and 1.4, dataset Cost and Usage. What has no price is not in it, for FOCUS knows no
unknown cost; the export says how many entries that leaves out. A charge booked more than a day after the end of the month it is of is a
correction of a closed period, and stands in the billing period it was booked in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from spanledger.enrich.commitments import COMMITMENT_BASIS, PURCHASE
from spanledger.enrich.records import DAY_NS
from spanledger.store.export.focus_names import maker, measured_in, meter, seller
from spanledger.store.export.list_lines import add_list_lines
from spanledger.store.export.shapes import ExportColumn, ExportType, Shape
from spanledger.store.ledger import Ledger

if TYPE_CHECKING:
    import duckdb

DIFFERENCE: Final = "difference"
"""The unit of a correction that changes sums but no line."""
_MONTH: Final = "date_trunc('month', make_timestamp({} // 1000))"
_IS_LATE: Final = f"(booked_ns >= epoch_us({_MONTH.format('start_ns')} + INTERVAL 1 MONTH) * 1000 + {DAY_NS})"
_PERIOD: Final = f"CASE WHEN {_IS_LATE} THEN {_MONTH.format('booked_ns')} ELSE {_MONTH.format('start_ns')} END"
_IS_PURCHASE: Final = f"starts_with(usage_basis, '{COMMITMENT_BASIS}')"
_CATEGORY: Final = f"CASE WHEN {_IS_PURCHASE} THEN '{PURCHASE}' WHEN kind = 'adjustment' THEN 'Adjustment' ELSE 'Usage' END"
_MODEL: Final = "coalesce(response_model, request_model)"
_CONTEXT: Final = "concat_ws('/', service_tier, region)"
_PER_QUANTITY: Final = (
    "CAST(CAST(CAST(line.quantity AS HUGEINT) * 1000000000 // {} AS DECIMAL(28, 0)) * 0.000000001::DECIMAL(10, 9) AS DECIMAL(38, 18))"
)
"""To nine decimals: what `per` divides without a rest in powers of ten is exact."""
_PRICING_QUANTITY: Final = f"coalesce(list_line.quantity, {_PER_QUANTITY.format('line.per')})"
_UNIT_PRICE: Final = "TRY_CAST({} AS DECIMAL(38, 18))"
_PRICING_UNIT: Final = (
    "CASE WHEN line.per = unit_scale THEN consumed_unit ELSE (CASE WHEN line.per % unit_scale = 0"
    " THEN CAST(line.per // unit_scale AS VARCHAR) || ' ' || consumed_unit ELSE CAST(line.per AS VARCHAR) || ' ' || line.unit END) END"
)
_SKU: Final = f"concat_ws('/', coalesce(provider, 'unknown'), coalesce({_MODEL}, operation, cost_surface), line.unit)"

_TAGS: Final = (
    "CAST(json_merge_patch('{}', json_object('tenant', tenant_id, 'agent', agent, 'workflow', workflow, 'feature', feature,"
    " 'environment', environment, 'service', service)) AS VARCHAR)"
)

_Row = tuple[str, ExportType, bool, str, str]

_BOTH: Final[tuple[_Row, ...]] = (
    ("AvailabilityZone", "text", True, "Not known of a model's call.", "NULL"),
    ("BilledCost", "money", False, "What the provider bills for the line.", "line.cost_usd"),
    ("BillingAccountId", "text", False, "The account at the provider where spans name it, else the provider.",
     "coalesce(provider_account, provider, 'unknown')"),
    ("BillingAccountName", "text", True, "The account at the provider where spans name it, else the seller.",
     "coalesce(provider_account, seller_name)"),
    ("BillingAccountType", "text", True, "What kind of account that is.", "'Organization'"),
    ("BillingCurrency", "text", False, "USD.", "currency"),
    ("BillingPeriodEnd", "timestamp", False, "The first moment of the next month, UTC.", f"{_PERIOD} + INTERVAL 1 MONTH"),
    ("BillingPeriodStart", "timestamp", False, "The month of the call; of a correction of a closed month, that of its booking.", _PERIOD),
    ("CapacityReservationId", "text", True, "None.", "NULL"),
    ("CapacityReservationStatus", "text", True, "None.", "NULL"),
    ("ChargeCategory", "text", False, "Usage; Adjustment for re-pricings; Purchase for what a commitment asks for beside.",
     _CATEGORY),
    ("ChargeClass", "text", True, "Correction where a closed month is corrected.", f"CASE WHEN {_IS_LATE} THEN 'Correction' END"),
    ("ChargeDescription", "text", True, "Model, meter and tier.",
     f"concat_ws(' ', coalesce({_MODEL}, tool_name, cost_surface), sku_meter, service_tier)"),
    ("ChargeFrequency", "text", True, "Usage-Based; One-Time for purchases: each is of one period of a commitment.",
     f"CASE WHEN {_IS_PURCHASE} THEN 'One-Time' ELSE 'Usage-Based' END"),
    ("ChargePeriodEnd", "timestamp", False, "End of the call, UTC; a microsecond after its start at the least.",
     "make_timestamp(greatest(end_ns // 1000, start_ns // 1000 + 1))"),
    ("ChargePeriodStart", "timestamp", False, "Start of the call, UTC.", "make_timestamp(start_ns // 1000)"),
    ("CommitmentDiscountCategory", "text", True, "None.", "NULL"),
    ("CommitmentDiscountId", "text", True, "None.", "NULL"),
    ("CommitmentDiscountName", "text", True, "None.", "NULL"),
    ("CommitmentDiscountQuantity", "decimal", True, "None.", "NULL"),
    ("CommitmentDiscountStatus", "text", True, "None.", "NULL"),
    ("CommitmentDiscountType", "text", True, "None.", "NULL"),
    ("CommitmentDiscountUnit", "text", True, "None.", "NULL"),
    ("ConsumedQuantity", "decimal", True, "How much was used, in ConsumedUnit.",
     f"CASE WHEN {_CATEGORY} = 'Usage' THEN {_PER_QUANTITY.format('unit_scale')} END"),
    ("ConsumedUnit", "text", True, "Tokens, Requests, Seconds, …", f"CASE WHEN {_CATEGORY} = 'Usage' THEN consumed_unit END"),
    ("ContractedCost", "money", False, "The cost at the contracted rates; at list where there is no contract.", "line.cost_usd"),
    ("ContractedUnitPrice", "decimal", True, "The rate that was applied, for a PricingUnit.", _UNIT_PRICE.format("line.amount")),
    ("EffectiveCost", "money", False, "What the line costs the company.", "line.cost_usd"),
    ("InvoiceId", "text", True, "Not known to the ledger.", "NULL"),
    ("InvoiceIssuerName", "text", False, "Who sells the call.", "seller_name"),
    ("ListCost", "money", False, "The cost at list prices; where there are none, at what was paid.",
     "coalesce(list_line.at_list_usd, CASE WHEN line.quantity IS NULL THEN list_cost_usd END, line.cost_usd)"),
    ("ListUnitPrice", "decimal", True, "The list price of a PricingUnit.",
     f"CASE WHEN list_line.entry IS NULL THEN {_UNIT_PRICE.format('line.amount')} ELSE {_UNIT_PRICE.format('list_line.amount')} END"),
    ("PricingCategory", "text", True, "Standard.", f"CASE WHEN {_CATEGORY} <> 'Adjustment' THEN 'Standard' END"),
    ("PricingCurrency", "text", True, "USD.", "currency"),
    ("PricingCurrencyContractedUnitPrice", "decimal", True, "As ContractedUnitPrice.", _UNIT_PRICE.format("line.amount")),
    ("PricingCurrencyEffectiveCost", "money", True, "As EffectiveCost.", "line.cost_usd"),
    ("PricingCurrencyListUnitPrice", "decimal", True, "As ListUnitPrice.",
     f"CASE WHEN list_line.entry IS NULL THEN {_UNIT_PRICE.format('line.amount')} ELSE {_UNIT_PRICE.format('list_line.amount')} END"),
    ("PricingQuantity", "decimal", True, "How much was priced, in PricingUnit.", _PRICING_QUANTITY),
    ("PricingUnit", "text", True, "What the unit prices are for: 1000000 Tokens, Requests, …",
     f"CASE WHEN line.quantity IS NOT NULL THEN {_PRICING_UNIT} END"),
    ("RegionId", "text", True, "The provider's region, where spans name it.", "region"),
    ("RegionName", "text", True, "As RegionId.", "region"),
    ("ResourceId", "text", True, "The model asked for (a deployment or profile, where that is its name).", "request_model"),
    ("ResourceName", "text", True, "None: models have no name beside their id.", "NULL"),
    ("ResourceType", "text", True, "Model.", "CASE WHEN request_model IS NOT NULL THEN 'Model' END"),
    ("ServiceCategory", "text", False, "AI and Machine Learning; Compute for own infrastructure.",
     "CASE WHEN cost_surface = 'compute' THEN 'Compute' ELSE 'AI and Machine Learning' END"),
    ("ServiceName", "text", False, "The provider's service.",
     "CASE WHEN cost_surface = 'compute' THEN seller_service || ' (compute)' ELSE seller_service END"),
    ("ServiceSubcategory", "text", False, "Generative AI.",
     "CASE WHEN cost_surface = 'compute' THEN 'Other (Compute)' ELSE 'Generative AI' END"),
    ("SkuId", "text", True, "Provider, model and unit.", _SKU),
    ("SkuMeter", "text", True, "Input Tokens, Cached Input Tokens, Web Searches, …", "sku_meter"),
    ("SkuPriceDetails", "json", True, "What the price was for: developer, model, token type, tier.",
     "CAST(json_object('x_ModelDeveloper', model_maker, 'x_ModelId', " + _MODEL + ", 'x_TokenType', line.unit,"
     " 'x_ServiceTier', service_tier) AS VARCHAR)"),
    ("SkuPriceId", "text", True, "SkuId, the context of the price, and the rate: that of the list, which no contract changes.",
     f"concat_ws('/', {_SKU}, nullif({_CONTEXT}, ''), coalesce(list_line.rate_id, line.rate_id))"),
    ("SubAccountId", "text", True, "Not known to the ledger: tenants are in x_TenantId.", "NULL"),
    ("SubAccountName", "text", True, "None.", "NULL"),
    ("SubAccountType", "text", True, "None.", "NULL"),
    ("Tags", "json", True, "Who did the work: tenant, agent, workflow, feature, environment, service.",
     _TAGS),
)  # fmt: skip

_OWN: Final[tuple[_Row, ...]] = (
    ("x_TenantId", "text", True, "The payer. NULL is unattributed.", "tenant_id"),
    ("x_UserId", "text", True, "The end user.", "user_id"),
    ("x_SessionId", "text", True, "The session or conversation.", "session_id"),
    ("x_TraceId", "text", False, "The trace.", "lower(hex(trace_id))"),
    ("x_SpanId", "text", False, "The charged span.", "lower(hex(span_id))"),
    ("x_Model", "text", True, "The model that answered, else the one asked for.", _MODEL),
    ("x_TokenType", "text", False, "The ledger's unit: input_tokens, cache_read_tokens, …", "line.unit"),
    ("x_Operation", "text", True, "OpenTelemetry GenAI operation.", "operation"),
    ("x_CostSurface", "text", False, "inference, tool_execution, memory_retrieval, …", "cost_surface"),
    ("x_LineId", "text", False, "Deterministic id of the line.", "lower(hex(event_id)) || '-' || line_index"),
    ("x_EntryNumber", "int", False, "The entry's place in the ledger.", "entry_number"),
    ("x_EntryKind", "text", False, "charge, reversal or adjustment.", "kind"),
    ("x_Reason", "text", True, "Why a correction was booked.", "reason"),
    ("x_RateId", "text", False, "The rate that was applied.", "line.rate_id"),
    ("x_RateCardId", "text", False, "The catalog in force.", "catalog_id"),
    ("x_BillingStatus", "text", False, "billed, not_billed, assumed or unknown.", "provider_billing"),
    ("x_UsageBasis", "text", False, "measured, partial, estimated or aggregate.", "usage_state"),
    ("x_BookedTime", "timestamp", False, "When the entry was booked, UTC.", "make_timestamp(booked_ns // 1000)"),
)  # fmt: skip

_ONLY_1_2: Final[tuple[_Row, ...]] = (
    ("ProviderName", "text", False, "Who sells the call.", "seller_name"),
    ("PublisherName", "text", False, "Who made the model.", "model_maker"),
)
_ONLY_1_4: Final[tuple[_Row, ...]] = (
    ("ServiceProviderName", "text", False, "Who sells the call.", "seller_name"),
    ("HostProviderName", "text", False, "Where it runs.", "seller_host"),
    ("InvoiceDetailId", "text", True, "Not known to the ledger.", "NULL"),
    ("CommitmentProgramEligibilityDetails", "json", True, "Not known to the ledger.", "NULL"),
    ("ContractApplied", "json", True, "None.", "NULL"),
    ("AllocatedMethodId", "text", True, "None.", "NULL"),
    ("AllocatedMethodDetails", "json", True, "None.", "NULL"),
    ("AllocatedResourceId", "text", True, "None.", "NULL"),
    ("AllocatedResourceName", "text", True, "None.", "NULL"),
    ("AllocatedTags", "json", True, "None.", "NULL"),
)

_PRICED_LINES: Final = (
    f"CASE WHEN len(lines) = 0 AND (coalesce(cost_usd, 0) <> 0 OR coalesce(list_cost_usd, 0) <> 0) THEN [{{{{unit: '{DIFFERENCE}',"
    f" quantity: NULL::BIGINT, rate_id: '{DIFFERENCE}', amount: NULL::VARCHAR, per: 1::BIGINT,"
    " cost_usd: coalesce(cost_usd, 0)::DECIMAL(38, 18)}}] ELSE lines END"
)
"""Corrections can change sums and leave no line, such as one that takes list prices back: that is a row without quantities."""
_SOURCE: Final = (
    "(SELECT entry.*, entry.priced_lines[entry.line_index] AS line FROM"  # noqa: S608 - our own names
    " (SELECT *, unnest(range(1, len(priced_lines) + 1)) AS line_index FROM (SELECT *, " + _PRICED_LINES + " AS priced_lines"
    " FROM {entries}) AS priced) AS entry) AS found"
    " LEFT JOIN list_lines AS list_line ON list_line.entry = entry_number AND list_line.number = line_index"
    " LEFT JOIN focus_units ON focus_units.unit = line.unit"
    " LEFT JOIN focus_models ON focus_models.of_provider IS NOT DISTINCT FROM provider"
    " AND focus_models.of_model IS NOT DISTINCT FROM " + _MODEL
)


def _prepare(connection: duckdb.DuckDBPyConnection, ledger: Ledger, chosen: str, bound: Mapping[str, Any]) -> None:
    """The tables that the rows are joined with: names of units, models and sellers, and list prices where they are not what was paid."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE focus_units (unit VARCHAR, consumed_unit VARCHAR, unit_scale BIGINT, sku_meter VARCHAR)"
    )
    units = connection.execute(f"SELECT DISTINCT unnest(lines).unit FROM {chosen} AS entries", bound).fetchall()  # noqa: S608 - our own text
    named = [(unit, *measured_in(unit), meter(unit)) for unit in sorted({DIFFERENCE, *(unit for (unit,) in units)})]
    connection.executemany("INSERT INTO focus_units VALUES (?, ?, ?, ?)", named)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE focus_models (of_provider VARCHAR, of_model VARCHAR, seller_name VARCHAR, seller_host VARCHAR,"
        " seller_service VARCHAR, model_maker VARCHAR)"
    )
    models = connection.execute(f"SELECT DISTINCT provider, {_MODEL} FROM {chosen} AS entries", bound).fetchall()  # noqa: S608 - our own text
    if models:
        connection.executemany(
            "INSERT INTO focus_models VALUES (?, ?, ?, ?, ?, ?)",
            [(provider, model, *seller(provider), maker(provider, model)) for provider, model in models],
        )
    add_list_lines(connection, ledger, chosen, bound)


def _shape(name: str, doc: str, rows: tuple[_Row, ...]) -> Shape:
    typed = {"decimal": "CAST(NULL AS DECIMAL(38, 18))", "text": "CAST(NULL AS VARCHAR)", "json": "CAST(NULL AS VARCHAR)"}
    named = (ExportColumn(*row) for row in (*sorted(rows), *_OWN))
    columns = tuple(column._replace(sql=typed[column.type]) if column.sql == "NULL" else column for column in named)
    return Shape(name, 1, doc, columns, _SOURCE, "entry_number, line_index", prepare=_prepare)


FOCUS_1_2: Final = _shape("focus", "FOCUS 1.2, Cost and Usage: one row a priced line of an entry.", (*_BOTH, *_ONLY_1_2))
FOCUS_1_4: Final = _shape("focus-1.4", "FOCUS 1.4, Cost and Usage: one row a priced line of an entry.", (*_BOTH, *_ONLY_1_4))
