with

active_flights as (

    select * from {{ ref('flight_states') }}
    where
        {{ in_requested_hours('as_of_hour') }}
        and is_active

),

ranked as (

    -- many flights share a longest route: all of them are shown
    select
        *,
        rank() over (partition by as_of_hour order by route_distance_km desc) as flight_rank
    from active_flights
    where route_distance_km is not null

)

select
    as_of_hour,
    {{ the_world() }} as scope,
    cast(flight_rank as integer) as rank,
    flight_id as subject,
    concat(
        origin_iata, '-', destination_iata,
        case
            when coalesce(flight_number, callsign) is not null
                then concat(' (', coalesce(flight_number, callsign), ')')
            else ''
        end
    ) as label,
    cast(route_distance_km as numeric(12, 3)) as value,
    'km' as unit,
    cast(1 as bigint) as flight_count,
    origin_iata,
    destination_iata,
    route_distance_km,
    airline_icao,
    type_code
from ranked
where flight_rank <= 10
