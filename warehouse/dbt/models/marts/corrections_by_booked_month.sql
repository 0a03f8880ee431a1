-- What was booked in a month for calls of an earlier one: by how much the month that was closed has moved since, and why.
select
    cast({{ dbt.date_trunc('month', 'booked_date') }} as date) as booked_month,
    cast({{ dbt.date_trunc('month', 'call_date') }} as date) as call_month,
    authority,
    tenant_id,
    kind,
    reason,
    count(distinct event_id) as entries,
    sum(calls) as calls,
    sum(cost_usd) as cost_usd
from {{ ref('stg_spanledger_lines') }}
where cast({{ dbt.date_trunc('month', 'booked_date') }} as date) > cast({{ dbt.date_trunc('month', 'call_date') }} as date)
group by 1, 2, 3, 4, 5, 6
