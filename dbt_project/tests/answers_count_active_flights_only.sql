{{ config(meta={'dagster': {'ref': {'name': 'answers'}}}) }}

-- a question counts a flight once, in one scope and for one subject, so never more than are active
-- and usable; that of outgoing and incoming flights counts it at two airports
with

answers as (

    select * from {{ ref('answers') }}
    where {{ in_requested_hours('as_of_hour') }}

),

usable_flights as (

    select * from {{ ref('usable_flights') }}
    where {{ in_requested_hours('as_of_hour') }}

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
    usable_flights.usable_count
from answered_counts
left join usable_flights
    on
        answered_counts.as_of_hour = usable_flights.as_of_hour
        and answered_counts.question = usable_flights.question
where
    answered_counts.answered_count
    > coalesce(usable_flights.usable_count, 0)
    * case answered_counts.question when 'airport_traffic_imbalance' then 2 else 1 end
