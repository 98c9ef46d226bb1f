{%- set ranges = touched_quarters() %}
{%- set known = [
    "callsign", "flight_number", "registration", "icao24", "type_code", "airline_icao",
    "origin_iata", "destination_iata",
] %}

with

touched_flights as (

    select flight_id from {{ ref('flight_quarters') }}
    where {{ in_quarters('quarter_at', ranges) }}
    {% if is_incremental() %}
        union
        -- what was seen then and now is not, or no longer with the same observations
        select flight_id from {{ this }} as sessions
        where {{ was_seen_in_quarters('sessions', ranges) }}
    {% else %}
        group by flight_id
    {% endif %}

),

quarters as (

    select
        flight_quarters.*,
        lag(flight_quarters.last_observed_at) over flight as before_observed_at,
        lag(flight_quarters.last_lat_deg) over flight as before_lat_deg,
        lag(flight_quarters.last_lon_deg) over flight as before_lon_deg,
        lag(flight_quarters.last_is_on_ground) over flight as before_is_on_ground,
        min(flight_quarters.first_airborne_at) over whole as airborne_from_at,
        max(flight_quarters.last_airborne_at) over whole as airborne_to_at,
        min(flight_quarters.quarter_at) over whole as first_quarter_at,
        max(flight_quarters.quarter_at) over whole as last_quarter_at,
        {% for column in known -%}
            max(
                case
                    when flight_quarters.{{ column }} is not null then flight_quarters.quarter_at
                end
            ) over whole as {{ column }}_quarter_at,
        {% endfor -%}
        min(
            case
                when flight_quarters.first_destination_iata is not null
                    then flight_quarters.quarter_at
            end
        ) over whole as announced_quarter_at
    from touched_flights
    inner join {{ ref('flight_quarters') }} as flight_quarters
        on touched_flights.flight_id = flight_quarters.flight_id
    window
        flight as (partition by flight_quarters.flight_id order by flight_quarters.quarter_at),
        whole as (partition by flight_quarters.flight_id)

),

steps as (

    -- from the last observation of a quarter to the first of the next
    select
        *,
        case
            when not first_is_on_ground and not before_is_on_ground
                then cast(
                    {{ great_circle_km(
                        'before_lat_deg', 'before_lon_deg', 'first_lat_deg', 'first_lon_deg'
                    ) }} as numeric(9, 3)
                )
        end as step_km,
        case
            when not first_is_on_ground and not before_is_on_ground
                then {{ seconds_between('before_observed_at', 'first_observed_at') }}
        end as step_s
    from quarters

)

select
    -- ids
    flight_id,
    {% for column in known -%}
        {{ of_row(column, 'quarter_at = ' ~ column ~ '_quarter_at') }} as {{ column }},
    {% endfor -%}
    {{ of_row('first_destination_iata', 'quarter_at = announced_quarter_at') }}
        as announced_destination_iata,

    -- first and last seen
    min(first_observed_at) as first_observed_at,
    {{ of_row('first_lat_deg', 'quarter_at = first_quarter_at') }} as first_lat_deg,
    {{ of_row('first_lon_deg', 'quarter_at = first_quarter_at') }} as first_lon_deg,
    {{ of_row('first_altitude_ft', 'quarter_at = first_quarter_at') }} as first_altitude_ft,
    max(case when quarter_at = first_quarter_at then cast(first_is_on_ground as integer) end)
    = 1 as first_is_on_ground,
    max(last_observed_at) as last_observed_at,
    {{ of_row('last_lat_deg', 'quarter_at = last_quarter_at') }} as last_lat_deg,
    {{ of_row('last_lon_deg', 'quarter_at = last_quarter_at') }} as last_lon_deg,
    {{ of_row('last_altitude_ft', 'quarter_at = last_quarter_at') }} as last_altitude_ft,
    max(case when quarter_at = last_quarter_at then cast(last_is_on_ground as integer) end)
    = 1 as last_is_on_ground,

    -- in the air
    min(first_airborne_at) as first_airborne_at,
    max(last_airborne_at) as last_airborne_at,
    max(
        case when ground_before_air_at < airborne_from_at then ground_before_air_at end
    ) as ground_before_air_at,
    min(
        case when ground_after_air_at > airborne_to_at then ground_after_air_at end
    ) as ground_after_air_at,

    -- measures
    cast(sum(distance_km + coalesce(step_km, 0)) as numeric(12, 3)) as distance_km,
    cast(sum(airborne_s + coalesce(step_s, 0)) as integer) as airborne_s,
    cast(sum(observation_count) as integer) as observation_count,

    -- origin of the row
    max(slice_id) as slice_id

from steps
group by flight_id
