-- A row an hour, payer, model and worker, as exported.
select
    cast(hour_start_time as date) as call_date,
    hour_start_time,
    kind,
    authority,
    tenant_id,
    cost_surface,
    provider,
    model,
    workflow,
    agent,
    feature,
    environment,
    charges as calls,
    unpriced_charges as unpriced_calls,
    input_tokens,
    output_tokens,
    list_cost_usd,
    cost_usd,
    customer_price_usd,
    booked_time_max
from {{ source('spanledger', 'hourly') }}
