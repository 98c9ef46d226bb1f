{{ config(materialized='view') }}

with

answers as (

    {% for question in question_models() %}
        select
            as_of_hour,
            '{{ question }}' as question,
            '{{ scope_kind(question) }}' as scope_kind,
            scope,
            rank,
            subject,
            label,
            value,
            unit,
            flight_count,
            usable_ratio
        from {{ ref(question) }}
        {{ "union all" if not loop.last }}
    {% endfor %}

),

as_of_hours as (

    select * from {{ ref('as_of_hours') }}

),

countries as (

    select * from {{ ref('countries') }}

),

timed as (

    -- a subquery for each, as the index leads straight to its hour; a join would read all hours
    select
        *,
        (
            select max(as_of_hours.as_of_at) from as_of_hours
            where as_of_hours.as_of_hour = answers.as_of_hour
        ) as as_of_at
    from answers

),

worded as (

    -- the parts that the sentences are made of
    select
        answers.*,
        case
            when answers.scope_kind = 'continent' then {{ continent_name('answers.scope') }}
            else coalesce(countries.country_name, answers.scope)
        end as scope_name,
        case
            when answers.label = answers.subject then answers.label
            else concat(answers.label, ' (', answers.subject, ')')
        end as subject_name,
        concat(
            answers.flight_count, ' active flight',
            case when answers.flight_count = 1 then '' else 's' end
        ) as flights,
        concat(
            cast(abs(answers.value) as integer), ' more active flight',
            case when abs(answers.value) = 1 then '' else 's' end
        ) as more_flights,
        concat(' as of ', {{ minute_text('answers.as_of_at') }}) as as_of
    from timed as answers
    left join countries
        on
            answers.scope = countries.country_code
            and answers.scope_kind = 'country'

)

select
    as_of_hour,
    question,
    scope,
    rank,
    subject,
    label,
    value,
    unit,
    flight_count,
    usable_ratio,
    scope_name,
    case question
        when 'top_airlines'
            then concat(
                subject_name, ' had ', flights, as_of,
                ': rank ', rank, ' among airlines.'
            )
        when 'top_regional_airlines_by_continent'
            then concat(
                subject_name, ' had ', flights, ' within ', scope_name, as_of,
                ': rank ', rank, ' among airlines there.'
            )
        when 'longest_active_flights'
            then concat(
                'The active flight ', label, ' had a route of ', value, ' km', as_of,
                ': rank ', rank, ' among routes of flights.'
            )
        when 'mean_route_distance_by_continent'
            then concat(
                flights, ' from ', scope_name, ' had a mean route distance of ', value, ' km',
                as_of, '.'
            )
        when 'top_aircraft_manufacturers'
            then concat(
                'Aircraft made by ', label, ' flew ', flights, as_of,
                ': rank ', rank, ' among manufacturers.'
            )
        when 'top_aircraft_models_by_continent'
            then concat(
                'The aircraft model ', subject_name, ' flew ', flights, ' from ', scope_name, as_of,
                ': rank ', rank, ' among models there.'
            )
        when 'top_aircraft_models_by_airline_country'
            then concat(
                'The aircraft model ', subject_name, ' flew ', flights, ' of airlines ',
                case
                    when scope = 'unknown' then 'whose country is unknown'
                    else concat('from ', scope_name)
                end,
                as_of, ': rank ', rank, ' among their models.'
            )
        when 'top_destination_airports_by_continent'
            then concat(
                subject_name, ' was the destination of ', flights, as_of,
                ': rank ', rank, ' among airports in ', scope_name, '.'
            )
        when 'airport_traffic_imbalance'
            then concat(
                subject_name, ' had ',
                case
                    when value > 0 then concat(more_flights, ' going out than coming in')
                    when value < 0 then concat(more_flights, ' coming in than going out')
                    else 'as many active flights going out as coming in'
                end,
                as_of, ': rank ', rank, ' among airports by the size of the difference.'
            )
        when 'mean_ground_speed_by_continent'
            then concat(
                flights, ' from ', scope_name, ' had a mean ground speed of ', value, ' kt',
                as_of, '.'
            )
    end as sentence
from worded
