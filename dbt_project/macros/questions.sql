{#- The gold models that answer a question, in the order of the questions. -#}
{% macro question_models() -%}
    {{ return([
        "top_airlines",
        "top_regional_airlines_by_continent",
        "longest_active_flights",
        "mean_route_distance_by_continent",
        "top_aircraft_manufacturers",
        "top_aircraft_models_by_continent",
        "top_aircraft_models_by_airline_country",
        "top_destination_airports_by_continent",
        "airport_traffic_imbalance",
        "mean_ground_speed_by_continent",
    ]) }}
{%- endmacro %}

{#- A flight of `flight_states` says what the question asks about. Of the regional question: before
    the flights between continents are left out. -#}
{% macro is_usable(question) -%}
    {{ return({
        "top_airlines": "airline_icao is not null",
        "top_regional_airlines_by_continent":
            "(airline_icao is not null and origin_continent_code is not null"
            ~ " and destination_continent_code is not null)",
        "longest_active_flights": "route_distance_km is not null",
        "mean_route_distance_by_continent":
            "(route_distance_km is not null and origin_continent_code is not null)",
        "top_aircraft_manufacturers": "manufacturer is not null",
        "top_aircraft_models_by_continent":
            "(type_code is not null and origin_continent_code is not null)",
        "top_aircraft_models_by_airline_country":
            "(airline_icao is not null and type_code is not null)",
        "top_destination_airports_by_continent":
            "(destination_icao is not null and destination_continent_code is not null)",
        "airport_traffic_imbalance": "(origin_icao is not null or destination_icao is not null)",
        "mean_ground_speed_by_continent":
            "(ground_speed_kt is not null and origin_continent_code is not null)",
    }[question]) }}
{%- endmacro %}

{#- What a question is answered for each of: its name says so. -#}
{% macro scope_kind(question) -%}
    {{ return(
        "continent" if question.endswith("_by_continent")
        else "country" if question.endswith("_country")
        else "world"
    ) }}
{%- endmacro %}

{#- The scope of a question over the world. -#}
{% macro the_world() -%}
    cast(null as {{ dbt.type_string() }})
{%- endmacro %}

{#- The English name of a continent, null where the code is none. -#}
{% macro continent_name(continent_code) -%}
    case {{ continent_code }}
        when 'AF' then 'Africa'
        when 'AN' then 'Antarctica'
        when 'AS' then 'Asia'
        when 'EU' then 'Europe'
        when 'NA' then 'North America'
        when 'OC' then 'Oceania'
        when 'SA' then 'South America'
    end
{%- endmacro %}
