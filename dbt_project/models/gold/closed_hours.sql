{{ config(materialized='view') }}

with

polls as (

    -- as it is now: what is left of them
    select
        {{ hour_of('started_at') }} as as_of_hour,
        max(ended_at) as as_of_at
    from {{ source('bronze', 'raw_polls') }}
    group by {{ hour_of('started_at') }}

),

windows as (

    select
        as_of_hour,
        as_of_at,
        as_of_at
        - interval '{{ var("active_max_age_minutes") }}' minute as window_from
    from polls

)

select pruned_polls.event_hour as as_of_hour
from {{ source('bronze', 'pruned_slice_hours') }} as pruned_polls
where pruned_polls.topic = '{{ var("polls_topic") }}'
union
select windows.as_of_hour
from windows
inner join {{ source('bronze', 'pruned_slice_hours') }} as pruned_positions
    on
        {{ hour_of('windows.window_from') }} <= pruned_positions.event_hour
        and {{ hour_of('windows.as_of_at') }} >= pruned_positions.event_hour
        and windows.as_of_at >= pruned_positions.first_event_at
        and windows.window_from <= pruned_positions.last_event_at
where pruned_positions.topic = '{{ var("positions_topic") }}'
