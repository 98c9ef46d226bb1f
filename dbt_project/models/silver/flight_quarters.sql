{%- set ranges = touched_quarters() %}
{%- set columns = [
    "flight_id", "observed_at", "poll_id", "icao24", "callsign", "flight_number", "registration",
    "type_code", "airline_icao", "origin_iata", "destination_iata", "lat_deg", "lon_deg",
    "altitude_ft", "ground_speed_kt", "is_on_ground", "log_hour", "kafka_partition", "kafka_offset",
] %}
{#- what of them this table has by another name, of the last observation of a quarter hour #}
{%- set last = {
    "observed_at": "last_observed_at", "poll_id": "cast(null as text)",
    "lat_deg": "last_lat_deg", "lon_deg": "last_lon_deg", "altitude_ft": "last_altitude_ft",
    "ground_speed_kt": "last_ground_speed_kt", "is_on_ground": "last_is_on_ground",
    "log_hour": "last_log_hour", "kafka_partition": "last_kafka_partition",
    "kafka_offset": "last_kafka_offset",
} %}
{#- the others are counted from pairs here #}
{%- set flags_of_a_row = quality_flags()[:5] %}

with

observations as (

    -- one branch for each range with its instants written out, as constants reach the index of
    -- bronze
    {% for range in ranges %}
        select
            {{ columns | join(", ") }},
            {% for flag in flags_of_a_row -%}
                {{ flag }},
            {% endfor -%}
            {{ quarter_of('observed_at') }} as quarter_at,
            slice_id
        from {{ ref('flight_positions') }}
        where
            observed_at >= {{ utc_instant(range["from"]) }}
            {{ "- interval '15' minute" if not is_incremental() }}
            and observed_at < {{ utc_instant(range["to"]) }}
        {{ "union all" if not loop.last }}
    {% endfor %}

),

quartered as (

    select * from observations
    {% if is_incremental() %}
        union all
        -- the predecessors of the first observations: the last ones of the quarter hour before,
        -- which is not built again
        select
            {% for column in columns -%}
                {{ last.get(column, column) }} as {{ column }},
            {% endfor -%}
            {% for flag in flags_of_a_row -%}
                false as {{ flag }},
            {% endfor -%}
            quarter_at,
            slice_id
        from {{ this }}
        where {{ in_quarters('quarter_at', before(ranges)) }}
    {% endif %}

),

shared_addresses as (

    select
        quarter_at,
        poll_id,
        icao24
    from observations
    where icao24 is not null
    group by quarter_at, poll_id, icao24
    having min(flight_id) <> max(flight_id)

),

pairs as (

    select
        quartered.*,
        shared_addresses.icao24 is not null as has_duplicate_icao24,
        lag(quartered.observed_at) over flight as last_observed_at,
        lag(quartered.quarter_at) over flight as last_quarter_at,
        lag(quartered.lat_deg) over flight as last_lat_deg,
        lag(quartered.lon_deg) over flight as last_lon_deg,
        lag(quartered.is_on_ground) over flight as last_is_on_ground,
        lag(quartered.ground_speed_kt) over flight as last_ground_speed_kt,
        lag(quartered.log_hour) over flight as last_log_hour,
        lag(quartered.kafka_partition) over flight as last_kafka_partition,
        lag(quartered.kafka_offset) over flight as last_kafka_offset
    from quartered
    left join shared_addresses
        on
            quartered.quarter_at = shared_addresses.quarter_at
            and quartered.poll_id = shared_addresses.poll_id
            and quartered.icao24 = shared_addresses.icao24
    -- by quarter hour first, which is the same order: one sort serves what follows
    window flight as (
        partition by quartered.flight_id order by quartered.quarter_at, quartered.observed_at
    )

),

measured as (

    select
        *,
        {{ great_circle_km('last_lat_deg', 'last_lon_deg', 'lat_deg', 'lon_deg') }} as step_km,
        {{ seconds_between('last_observed_at', 'observed_at') }} as step_s,
        quarter_at = last_quarter_at and not is_on_ground and not last_is_on_ground as is_aloft
    from pairs
    where {{ in_quarters('observed_at', ranges) }}

),

judged as (

    select
        *,
        coalesce(
            step_s <= 900
            and step_km > 5
            and step_km * 3600 > {{ var("impossible_speed_kt") }} * 1.852 * step_s,
            false
        ) as is_impossibly_fast,
        coalesce(
            step_s between 10 and 900
            and lat_deg = last_lat_deg and lon_deg = last_lon_deg
            and not is_on_ground and not last_is_on_ground
            and ground_speed_kt >= 50 and last_ground_speed_kt >= 50,
            false
        ) as is_stuck,
        coalesce(
            step_s <= 900
            and (
                last_log_hour > log_hour
                or (
                    last_log_hour = log_hour
                    and last_kafka_partition = kafka_partition
                    and last_kafka_offset > kafka_offset
                )
            ),
            false
        ) as is_backward,
        min(case when not is_on_ground then observed_at end) over quarter as first_airborne_at,
        max(case when not is_on_ground then observed_at end) over quarter as last_airborne_at,
        min(observed_at) over quarter as first_observed_at,
        max(observed_at) over quarter as newest_observed_at
    from measured
    window quarter as (partition by flight_id, quarter_at)

)

select
    -- ids
    quarter_at,
    flight_id,

    -- the first observation
    min(observed_at) as first_observed_at,
    {{ of_row('lat_deg', 'observed_at = first_observed_at') }} as first_lat_deg,
    {{ of_row('lon_deg', 'observed_at = first_observed_at') }} as first_lon_deg,
    {{ of_row('altitude_ft', 'observed_at = first_observed_at') }} as first_altitude_ft,
    min(case when observed_at = first_observed_at then cast(is_on_ground as integer) end)
    = 1 as first_is_on_ground,
    {{ first_known('destination_iata', 'observed_at') }} as first_destination_iata,

    -- the last observation
    max(observed_at) as last_observed_at,
    {{ of_row('lat_deg', 'observed_at = newest_observed_at') }} as last_lat_deg,
    {{ of_row('lon_deg', 'observed_at = newest_observed_at') }} as last_lon_deg,
    {{ of_row('altitude_ft', 'observed_at = newest_observed_at') }} as last_altitude_ft,
    max(case when observed_at = newest_observed_at then cast(is_on_ground as integer) end)
    = 1 as last_is_on_ground,
    {{ of_row('ground_speed_kt', 'observed_at = newest_observed_at') }} as last_ground_speed_kt,
    {{ of_row('log_hour', 'observed_at = newest_observed_at') }} as last_log_hour,
    {{ of_row('kafka_partition', 'observed_at = newest_observed_at') }} as last_kafka_partition,
    {{ of_row('kafka_offset', 'observed_at = newest_observed_at') }} as last_kafka_offset,
    {{ of_row('callsign', 'observed_at = newest_observed_at') }} as callsign,
    {{ of_row('flight_number', 'observed_at = newest_observed_at') }} as flight_number,
    {{ of_row('registration', 'observed_at = newest_observed_at') }} as registration,
    {{ of_row('icao24', 'observed_at = newest_observed_at') }} as icao24,
    {{ of_row('type_code', 'observed_at = newest_observed_at') }} as type_code,
    {{ of_row('airline_icao', 'observed_at = newest_observed_at') }} as airline_icao,
    {{ of_row('origin_iata', 'observed_at = newest_observed_at') }} as origin_iata,
    {{ of_row('destination_iata', 'observed_at = newest_observed_at') }} as destination_iata,

    -- in the air
    min(first_airborne_at) as first_airborne_at,
    max(last_airborne_at) as last_airborne_at,
    max(
        case
            when is_on_ground and (first_airborne_at is null or observed_at < first_airborne_at)
                then observed_at
        end
    ) as ground_before_air_at,
    min(
        case
            when is_on_ground and (last_airborne_at is null or observed_at > last_airborne_at)
                then observed_at
        end
    ) as ground_after_air_at,

    -- measures: exact, as each step is rounded once
    cast(
        sum(case when is_aloft then cast(step_km as numeric(9, 3)) else 0 end) as numeric(12, 3)
    ) as distance_km,
    cast(sum(case when is_aloft then step_s else 0 end) as integer) as airborne_s,
    cast(count(*) as integer) as observation_count,

    -- what is odd about them
    {% for flag in quality_flags() -%}
        cast(sum(cast({{ flag }} as integer)) as integer) as {{ flag }}_count,
    {% endfor %}
    -- origin of the row
    max(slice_id) as slice_id

from judged
group by quarter_at, flight_id
