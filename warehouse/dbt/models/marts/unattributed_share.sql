-- How much of each day's cost nobody is known to owe. Amounts stay exact; the share is for charts.
select
    call_date,
    sum(cost_usd) as cost_usd,
    sum(case when tenant_id is null then cost_usd else 0 end) as unattributed_cost_usd,
    sum(calls) as calls,
    sum(case when tenant_id is null then calls else 0 end) as unattributed_calls,
    sum(unpriced_calls) as unpriced_calls,
    case
        when sum(cost_usd) <> 0
            then sum(case when tenant_id is null then cost_usd else 0 end) / sum(cost_usd)
    end as unattributed_share
from {{ ref('stg_spanledger_hourly') }}
group by call_date
