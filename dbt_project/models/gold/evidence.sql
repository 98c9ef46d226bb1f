{{ config(materialized='view') }}

{% set a_model = "case when model is null then type_code when manufacturer is null then model "
    ~ "else concat(manufacturer, ' ', model) end" %}
{% set an_airline = "coalesce(airline_name, airline_icao)" %}
{% set a_route = "concat(origin_iata, '-', destination_iata, case when "
    ~ "coalesce(flight_number, callsign) is not null "
    ~ "then concat(' (', coalesce(flight_number, callsign), ')') else '' end)" %}
{% set an_origin = "coalesce(origin_airport_name, origin_icao)" %}
{% set a_destination = "coalesce(destination_airport_name, destination_icao)" %}
{% set from_continent = continent_name("origin_continent_code") %}

{# What each question counts: the scope, subject and label that a flight counts for, what it adds,
   in which unit, and what is asked of it beyond being active and usable. #}
{% set branches = [
    ("top_airlines", the_world(), "airline_icao", an_airline, "1", "flights", none),
    ("top_regional_airlines_by_continent", "origin_continent_code", "airline_icao", an_airline,
        "1", "flights", "origin_continent_code = destination_continent_code"),
    ("longest_active_flights", the_world(), "flight_id", a_route, "route_distance_km", "km", none),
    ("mean_route_distance_by_continent", "origin_continent_code", the_world(), from_continent,
        "route_distance_km", "km", none),
    ("top_aircraft_manufacturers", the_world(), "manufacturer", "manufacturer",
        "1", "flights", none),
    ("top_aircraft_models_by_continent", "origin_continent_code", "type_code", a_model,
        "1", "flights", none),
    ("top_aircraft_models_by_airline_country", "coalesce(airline_country_code, 'unknown')",
        "type_code", a_model, "1", "flights", none),
    ("top_destination_airports_by_continent", "destination_continent_code", "destination_icao",
        a_destination, "1", "flights", none),
    ("airport_traffic_imbalance", the_world(), "origin_icao", an_origin,
        "1", "flights", "origin_icao is not null"),
    ("airport_traffic_imbalance", the_world(), "destination_icao", a_destination,
        "-1", "flights", "destination_icao is not null"),
    ("mean_ground_speed_by_continent", "origin_continent_code", the_world(), from_continent,
        "ground_speed_kt", "kt", none),
] %}

with

landed_slices as (

    select * from {{ source('bronze', 'landed_slices') }}

),

counted as (

    -- the question is a constant of each branch, so that who asks for one reads one; and each
    -- names the table, as Postgres would keep a common input whole, with all its hours
    {% for question, scope, subject, label, value, unit, condition in branches %}
        select
            *,
            '{{ question }}' as question,
            {{ scope }} as scope,
            {{ subject }} as subject,
            {{ label }} as label,
            cast({{ value }} as numeric(12, 3)) as value,
            '{{ unit }}' as unit
        from {{ ref('flight_states') }}
        where
            is_active
            and {{ is_usable(question) }}
            {{ "and " ~ condition if condition }}
        {{ "union all" if not loop.last }}
    {% endfor %}

)

select
    -- the answer that the flight counts for
    counted.as_of_hour,
    counted.question,
    counted.scope,
    counted.subject,
    counted.label,

    -- the flight and what it adds
    counted.flight_id,
    counted.value,
    counted.unit,
    counted.callsign,
    counted.flight_number,
    counted.registration,
    counted.airline_icao,
    counted.airline_country_code,
    counted.type_code,
    counted.origin_iata,
    counted.destination_iata,
    counted.route_distance_km,
    counted.ground_speed_kt,

    -- where that is from
    counted.observed_at,
    counted.poll_id,
    '{{ var("positions_topic") }}' as topic,
    counted.log_hour,
    counted.kafka_partition,
    counted.kafka_offset,
    counted.slice_id,
    landed_slices.run_id

from counted
left join landed_slices
    on counted.slice_id = landed_slices.slice_id
