-- a question over the world counts a flight once, so never more than are active
with

answers as (

    select * from {{ ref('answers') }}
    where
        {{ in_requested_hours('as_of_hour') }}
        and scope is null

),

active_flights as (

    select * from {{ ref('flight_states') }}
    where
        {{ in_requested_hours('as_of_hour') }}
        and is_active

),

active_counts as (

    select
        as_of_hour,
        count(*) as active_count
    from active_flights
    group by as_of_hour

),

answered_counts as (

    select
        as_of_hour,
        question,
        sum(flight_count) as answered_count
    from answers
    group by as_of_hour, question

)

select
    answered_counts.as_of_hour,
    answered_counts.question,
    answered_counts.answered_count,
    active_counts.active_count
from answered_counts
left join active_counts
    on answered_counts.as_of_hour = active_counts.as_of_hour
where answered_counts.answered_count > coalesce(active_counts.active_count, 0)
