{{ config(meta={'dagster': {'ref': {'name': 'answered_hours'}}}) }}

-- of the requested hours: one without a poll has no answer, one with a poll says it is answered
with

as_of_hours as (

    select * from {{ ref('as_of_hours') }}
    where {{ in_requested_hours('as_of_hour') }}

),

answered_hours as (

    select * from {{ ref('answered_hours') }}
    where {{ in_requested_hours('as_of_hour') }}

)

select
    as_of_hours.as_of_hour,
    answered_hours.as_of_hour as answered_as_of_hour,
    as_of_hours.as_of_at,
    answered_hours.as_of_at as answered_as_of_at
from as_of_hours
full join answered_hours
    on as_of_hours.as_of_hour = answered_hours.as_of_hour
where
    as_of_hours.as_of_at is null
    or answered_hours.as_of_at is null
    or as_of_hours.as_of_at <> answered_hours.as_of_at
