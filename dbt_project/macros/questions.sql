{#- The gold models that answer a question, in the order of the questions. -#}
{% macro question_models() -%}
    {{ return([
        "top_airlines",
        "longest_active_flights",
        "top_aircraft_models_by_airline_country",
    ]) }}
{%- endmacro %}

{#- The scope of a question over the world. -#}
{% macro the_world() -%}
    cast(null as {{ dbt.type_string() }})
{%- endmacro %}
