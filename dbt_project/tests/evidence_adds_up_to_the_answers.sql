{{ config(meta={'dagster': {'ref': {'name': 'answers'}}}) }}

-- of the requested hours: each answer has its flights, and nobody with a better claim is missing
with

answers as (

    select
        *,
        coalesce(scope, '') as scope_key,
        coalesce(subject, '') as subject_key
    from {{ ref('answers') }}
    where {{ in_requested_hours('as_of_hour') }}

),

evidence as (

    select * from {{ ref('evidence') }}
    where {{ in_requested_hours('as_of_hour') }}

),

added_up as (

    select
        as_of_hour,
        question,
        coalesce(scope, '') as scope_key,
        coalesce(subject, '') as subject_key,
        case
            when question like 'mean_%' then round(sum(value) / count(*), 3)
            else sum(value)
        end as value,
        count(distinct flight_id) as flight_count
    from evidence
    group by as_of_hour, question, coalesce(scope, ''), coalesce(subject, '')

),

placed as (

    select
        *,
        rank() over (
            partition by as_of_hour, question, scope_key
            order by abs(value) desc
        ) as place
    from added_up

),

expected as (

    select * from placed
    where
        question like 'mean_%'
        or place <= case question when 'top_aircraft_models_by_airline_country' then 3 else 10 end

)

select
    answers.as_of_hour,
    answers.question,
    answers.scope,
    answers.subject,
    answers.value,
    answers.flight_count,
    answers.rank,
    expected.scope_key as expected_scope,
    expected.subject_key as expected_subject,
    expected.value as expected_value,
    expected.flight_count as expected_flight_count,
    expected.place as expected_rank
from answers
full join expected
    on
        answers.as_of_hour = expected.as_of_hour
        and answers.question = expected.question
        and answers.scope_key = expected.scope_key
        and answers.subject_key = expected.subject_key
where
    answers.question is null
    or expected.question is null
    or answers.value <> expected.value
    or answers.flight_count <> expected.flight_count
    or (answers.rank is not null and answers.rank <> expected.place)
