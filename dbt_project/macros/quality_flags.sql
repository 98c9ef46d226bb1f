{#- What is odd about an observation. A flag marks, and never removes a row. The first six are said
    of a row alone, the last three of an observation and the one before it. -#}
{% macro quality_flags() -%}
    {{ return([
        "is_null_island",
        "has_placeholder_code",
        "has_altitude_on_ground",
        "is_round_trip",
        "has_foreign_callsign",
        "has_duplicate_icao24",
        "is_impossibly_fast",
        "is_stuck",
        "is_backward",
    ]) }}
{%- endmacro %}

{#- Within a hundredth of a degree of 0, 0: where a position is when somebody forgot it. -#}
{% macro is_null_island(lat_deg, lon_deg) -%}
    (abs({{ lat_deg }}) < 0.01 and abs({{ lon_deg }}) < 0.01)
{%- endmacro %}

{#- A code that stands for none: an address of one digit throughout, a callsign of zeros or at
    signs, and the type 0000 by which the feed says that it does not know the type. -#}
{% macro has_placeholder_code(icao24, callsign, type_code) -%}
    (
        coalesce({{ icao24 }} in ('000000', 'ffffff'), false)
        or coalesce({{ callsign }} in ('00000000', '@@@@@@@@', '????????'), false)
        or coalesce({{ type_code }} = '0000', false)
    )
{%- endmacro %}

{#- On the ground with an altitude: the feed says 0 there. -#}
{% macro has_altitude_on_ground(is_on_ground, altitude_ft) -%}
    ({{ is_on_ground }} and coalesce({{ altitude_ft }}, 0) <> 0)
{%- endmacro %}

{#- Bound for where it came from, as training and sightseeing flights are. -#}
{% macro is_round_trip(origin_iata, destination_iata) -%}
    coalesce({{ origin_iata }} = {{ destination_iata }}, false)
{%- endmacro %}

{#- The callsign is an airline's (three letters and a number) and another one's than the airline
    that the feed names: one operates for the other, or one of the two is wrong. -#}
{% macro has_foreign_callsign(callsign, airline_icao) -%}
    coalesce(
        {% for place in (1, 2, 3) -%}
            lower(substring({{ callsign }}, {{ place }}, 1))
            <> upper(substring({{ callsign }}, {{ place }}, 1)) and
        {% endfor -%}
        substring({{ callsign }}, 4, 1) between '0' and '9'
        and substring({{ callsign }}, 1, 3) <> {{ airline_icao }},
        false
    )
{%- endmacro %}
