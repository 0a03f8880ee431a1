-- What each tenant's calls of a day cost, by model, as the ledger stands now: charges, reversals and adjustments summed.
select
    call_date,
    authority,
    tenant_id,
    provider,
    model,
    sum(calls) as calls,
    sum(unpriced_calls) as unpriced_calls,
    sum(input_tokens) as input_tokens,
    sum(output_tokens) as output_tokens,
    sum(list_cost_usd) as list_cost_usd,
    sum(cost_usd) as cost_usd,
    sum(customer_price_usd) as customer_price_usd
from {{ ref('stg_spanledger_hourly') }}
group by call_date, authority, tenant_id, provider, model
