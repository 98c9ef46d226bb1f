with

raw_flights as (

    select * from {{ source('bronze', 'raw_flights') }}

),

sightings as (

    select
        *,
        -- observed_at is part of the partition, so a filter on it reaches the index of bronze
        row_number() over (
            partition by flight_id, observed_at
            order by log_hour, kafka_partition, kafka_offset
        ) as sighting
    from raw_flights

),

deduplicated as (

    -- the feed repeats an unchanged observation from poll to poll: its first sighting counts
    select * from sightings
    where sighting = 1

)

select
    -- ids
    flight_id,
    lower(icao24) as icao24,
    callsign,
    flight_number,
    registration,
    type_code,
    airline_icao,
    origin_iata,
    destination_iata,
    squawk,

    -- measures
    lat_deg,
    lon_deg,
    altitude_ft,
    ground_speed_kt,
    vertical_speed_fpm,
    heading_deg,
    is_on_ground,

    -- what is odd about it
    {{ is_null_island('lat_deg', 'lon_deg') }} as is_null_island,
    {{ has_placeholder_code('lower(icao24)', 'callsign', 'type_code') }} as has_placeholder_code,
    {{ has_altitude_on_ground('is_on_ground', 'altitude_ft') }} as has_altitude_on_ground,
    {{ is_round_trip('origin_iata', 'destination_iata') }} as is_round_trip,
    {{ has_foreign_callsign('callsign', 'airline_icao') }} as has_foreign_callsign,

    -- times
    observed_at,

    -- origin of the row
    poll_id,
    tile_id,
    slice_id,
    log_hour,
    kafka_partition,
    kafka_offset

from deduplicated
