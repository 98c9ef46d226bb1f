with

active_flights as (

    select * from {{ ref('flight_states') }}
    where
        {{ in_requested_hours('as_of_hour') }}
        and is_active

),

airlines as (

    select
        as_of_hour,
        airline_icao,
        max(airline_name) as airline_name,
        max(airline_country_code) as airline_country_code,
        count(*) as flight_count
    from active_flights
    where airline_icao is not null
    group by as_of_hour, airline_icao

),

ranked as (

    select
        *,
        rank() over (partition by as_of_hour order by flight_count desc) as airline_rank
    from airlines

)

select
    as_of_hour,
    {{ the_world() }} as scope,
    cast(airline_rank as integer) as rank,
    airline_icao as subject,
    coalesce(airline_name, airline_icao) as label,
    cast(flight_count as numeric(12, 3)) as value,
    'flights' as unit,
    flight_count,
    airline_country_code
from ranked
where airline_rank <= 10
