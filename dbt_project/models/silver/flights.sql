with

flight_sessions as (

    select * from {{ ref('flight_sessions') }}

),

airports as (

    select * from {{ ref('airports') }}
    where airport_iata is not null

),

newest_poll as (

    -- what is known of flights is known as of it
    select max(as_of_at) as as_of_at from {{ ref('as_of_hours') }}

),

placed as (

    select
        flight_sessions.*,
        origins.airport_icao as origin_icao,
        destinations.airport_icao as destination_icao,
        announced.airport_icao as announced_destination_icao,
        newest_poll.as_of_at,
        {{ great_circle_km(
            'flight_sessions.first_lat_deg', 'flight_sessions.first_lon_deg',
            'origins.lat_deg', 'origins.lon_deg'
        ) }} as from_origin_km,
        {{ great_circle_km(
            'flight_sessions.last_lat_deg', 'flight_sessions.last_lon_deg',
            'origins.lat_deg', 'origins.lon_deg'
        ) }} as back_to_origin_km,
        {{ great_circle_km(
            'flight_sessions.last_lat_deg', 'flight_sessions.last_lon_deg',
            'destinations.lat_deg', 'destinations.lon_deg'
        ) }} as to_destination_km,
        {{ great_circle_km(
            'flight_sessions.last_lat_deg', 'flight_sessions.last_lon_deg',
            'announced.lat_deg', 'announced.lon_deg'
        ) }} as to_announced_km
    from flight_sessions
    cross join newest_poll
    left join airports as origins
        on flight_sessions.origin_iata = origins.airport_iata
    left join airports as destinations
        on flight_sessions.destination_iata = destinations.airport_iata
    left join airports as announced
        on flight_sessions.announced_destination_iata = announced.airport_iata

),

judged as (

    select
        *,
        case
            when ground_before_air_at is not null then 'seen'
            when
                not first_is_on_ground
                and first_altitude_ft <= {{ var("inferred_max_altitude_ft") }}
                and from_origin_km <= {{ var("inferred_max_distance_km") }}
                then 'inferred'
        end as departure_source,
        not last_is_on_ground and not {{ is_recent('last_observed_at', 'as_of_at') }}
        and last_observed_at <= as_of_at as is_out_of_sight,
        case
            when ground_after_air_at is not null then 'seen'
            when
                not last_is_on_ground
                and not {{ is_recent('last_observed_at', 'as_of_at') }}
                and last_observed_at <= as_of_at
                and last_altitude_ft <= {{ var("inferred_max_altitude_ft") }}
                and to_destination_km <= {{ var("inferred_max_distance_km") }}
                then 'inferred'
        end as arrival_source
    from placed

)

select
    -- ids
    flight_id,
    callsign,
    flight_number,
    registration,
    icao24,
    type_code,
    airline_icao,

    -- route
    origin_iata,
    origin_icao,
    announced_destination_iata,
    announced_destination_icao,
    destination_iata,
    destination_icao,

    -- what became of it
    case
        when arrival_source is not null then 'landed'
        when first_airborne_at is null then 'on_ground'
        when is_out_of_sight then 'lost'
        else 'airborne'
    end as status,
    case departure_source
        when 'seen' then ground_before_air_at
        when 'inferred' then first_observed_at
    end as departed_at,
    departure_source,
    case arrival_source
        when 'seen' then ground_after_air_at
        when 'inferred' then last_observed_at
    end as arrived_at,
    arrival_source,
    case
        when arrival_source = 'inferred' then destination_icao
        when
            arrival_source = 'seen'
            and to_destination_km <= {{ var("at_airport_max_distance_km") }}
            then destination_icao
        when
            arrival_source = 'seen'
            and to_announced_km <= {{ var("at_airport_max_distance_km") }}
            then announced_destination_icao
        when
            arrival_source = 'seen'
            and back_to_origin_km <= {{ var("at_airport_max_distance_km") }}
            then origin_icao
    end as arrival_icao,
    case
        when arrival_source = 'seen'
            then to_announced_km > {{ var("at_airport_max_distance_km") }}
        when arrival_source = 'inferred'
            then destination_icao <> announced_destination_icao
    end as is_diverted,
    arrival_source is null and first_airborne_at is not null and is_out_of_sight as is_lost,

    -- measures
    distance_km,
    airborne_s,
    observation_count,

    -- first and last seen
    first_observed_at,
    first_lat_deg,
    first_lon_deg,
    first_altitude_ft,
    last_observed_at,
    last_lat_deg,
    last_lon_deg,
    last_altitude_ft,
    first_airborne_at,
    last_airborne_at,

    -- origin of the row
    as_of_at,
    slice_id

from judged
