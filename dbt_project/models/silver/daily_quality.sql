with

quality_quarters as (

    select
        *,
        {{ utc_date('quarter_at') }} as flight_date
    from {{ ref('quality_quarters') }}

)

select
    flight_date,
    flag,
    cast(sum(flagged_count) as bigint) as flagged_count,
    cast(sum(observation_count) as bigint) as observation_count,
    cast(
        round(sum(flagged_count) / nullif(sum(observation_count), 0), 6) as numeric(7, 6)
    ) as flagged_ratio
from quality_quarters
group by flight_date, flag
