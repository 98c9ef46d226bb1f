with

active_flights as (

    select * from {{ ref('flight_states') }}
    where
        {{ in_requested_hours('as_of_hour') }}
        and is_active

),

airline_flights as (

    -- an airline whose country no reference knows is counted, under a country of that name
    select
        *,
        coalesce(airline_country_code, 'unknown') as country_code
    from active_flights
    where airline_icao is not null and type_code is not null

),

models as (

    select
        as_of_hour,
        country_code,
        type_code,
        max(manufacturer) as manufacturer,
        max(model) as model,
        count(*) as flight_count,
        count(distinct airline_icao) as airline_count
    from airline_flights
    group by as_of_hour, country_code, type_code

),

ranked as (

    select
        *,
        rank() over (
            partition by as_of_hour, country_code
            order by flight_count desc
        ) as model_rank
    from models

)

select
    as_of_hour,
    country_code as scope,
    cast(model_rank as integer) as rank,
    type_code as subject,
    case
        when model is null then type_code
        when manufacturer is null then model
        else concat(manufacturer, ' ', model)
    end as label,
    cast(flight_count as numeric(12, 3)) as value,
    'flights' as unit,
    flight_count,
    airline_count
from ranked
where model_rank <= 3
