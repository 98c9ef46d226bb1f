with

active_flights as (

    select * from {{ ref('flight_states') }}
    where
        {{ in_requested_hours('as_of_hour') }}
        and is_active

),

unmatched as (

    select
        as_of_hour,
        'airport' as kind,
        origin_iata as code
    from active_flights
    where origin_iata is not null and origin_icao is null
    union all
    select
        as_of_hour,
        'airport' as kind,
        destination_iata as code
    from active_flights
    where
        destination_iata is not null and destination_icao is null
        -- a flight counts once with a code
        and (origin_iata is null or origin_iata <> destination_iata)
    union all
    select
        as_of_hour,
        'airline' as kind,
        airline_icao as code
    from active_flights
    where airline_icao is not null and airline_name is null
    union all
    select
        as_of_hour,
        'airline_country' as kind,
        airline_icao as code
    from active_flights
    where airline_icao is not null and airline_country_code is null
    union all
    select
        as_of_hour,
        'type' as kind,
        type_code as code
    from active_flights
    where type_code is not null and model is null

)

select
    as_of_hour,
    kind,
    code,
    count(*) as flight_count
from unmatched
group by as_of_hour, kind, code
