{#- What an answer counts. Every question takes its flights from `flight_states.is_active`. -#}

{#- The observation lies in the minutes that an answer looks at: both ends belong to them. -#}
{% macro is_recent(observed_at, as_of_at) -%}
    {{ observed_at }} >= {{ as_of_at }} - interval '{{ var("active_max_age_minutes") }}' minute
    and {{ observed_at }} <= {{ as_of_at }}
{%- endmacro %}

{#- Airborne in this last observation, which is recent. -#}
{% macro is_active(is_on_ground, observed_at, as_of_at) -%}
    (not {{ is_on_ground }} and {{ is_recent(observed_at, as_of_at) }})
{%- endmacro %}
