with

candidates as (

    -- one branch for each hour with its instants written out: constants reach the index of bronze,
    -- a join would read all of it
    {% for hour in answer_windows(ref('as_of_hours')) %}
        select
            *,
            {{ utc_instant(hour.as_of_hour) }} as as_of_hour,
            {{ utc_instant(hour.as_of_at) }} as as_of_at,
            {{ utc_date(utc_instant(hour.as_of_hour)) }} as as_of_date
        from {{ ref('flight_positions') }}
        where {{ is_recent('observed_at', utc_instant(hour.as_of_at)) }}
        {{ "union all" if not loop.last }}
    {% endfor %}

),

ranked as (

    select
        *,
        row_number() over (
            partition by as_of_hour, flight_id
            order by observed_at desc
        ) as recency
    from candidates

),

last_positions as (

    select * from ranked
    where recency = 1

),

airports as (

    select * from {{ versions_of(ref('airports_history')) }}
    where airport_iata is not null

),

airlines as (

    select * from {{ versions_of(ref('airlines_history')) }}

),

aircraft_types as (

    select * from {{ versions_of(ref('aircraft_types_history')) }}

)

select
    -- ids
    last_positions.as_of_hour,
    last_positions.flight_id,
    last_positions.callsign,
    last_positions.flight_number,
    last_positions.registration,
    last_positions.icao24,

    -- aircraft and airline
    last_positions.type_code,
    aircraft_types.manufacturer,
    aircraft_types.model,
    last_positions.airline_icao,
    airlines.airline_name,
    airlines.country_code as airline_country_code,
    airlines.country_source as airline_country_source,

    -- route
    last_positions.origin_iata,
    origins.airport_icao as origin_icao,
    origins.airport_name as origin_airport_name,
    origins.country_code as origin_country_code,
    origins.continent_code as origin_continent_code,
    last_positions.destination_iata,
    destinations.airport_icao as destination_icao,
    destinations.airport_name as destination_airport_name,
    destinations.country_code as destination_country_code,
    destinations.continent_code as destination_continent_code,
    -- rounded once, to whole metres, so that answers are equal to the last digit everywhere
    cast(
        {{ great_circle_km(
            'origins.lat_deg', 'origins.lon_deg', 'destinations.lat_deg', 'destinations.lon_deg'
        ) }} as numeric(9, 3)
    ) as route_distance_km,

    -- measures
    last_positions.lat_deg,
    last_positions.lon_deg,
    last_positions.altitude_ft,
    last_positions.ground_speed_kt,
    last_positions.vertical_speed_fpm,
    last_positions.heading_deg,
    last_positions.is_on_ground,
    {{ is_active(
        'last_positions.is_on_ground', 'last_positions.observed_at', 'last_positions.as_of_at'
    ) }} as is_active,

    -- times
    last_positions.as_of_at,
    last_positions.observed_at,
    {{ seconds_between('last_positions.observed_at', 'last_positions.as_of_at') }} as age_s,

    -- origin of the row
    last_positions.poll_id,
    last_positions.slice_id,
    last_positions.log_hour,
    last_positions.kafka_partition,
    last_positions.kafka_offset

from last_positions
left join airports as origins
    on
        last_positions.origin_iata = origins.airport_iata
        and {{ counts_on('origins', 'last_positions.as_of_date') }}
left join airports as destinations
    on
        last_positions.destination_iata = destinations.airport_iata
        and {{ counts_on('destinations', 'last_positions.as_of_date') }}
left join airlines
    on
        last_positions.airline_icao = airlines.airline_icao
        and {{ counts_on('airlines', 'last_positions.as_of_date') }}
left join aircraft_types
    on
        last_positions.type_code = aircraft_types.type_code
        and {{ counts_on('aircraft_types', 'last_positions.as_of_date') }}
