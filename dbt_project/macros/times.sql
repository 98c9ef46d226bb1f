{#- Times, in the places where engines differ. All instants are UTC. -#}

{#- The instant that an ISO 8601 text with its zone names, as a constant. -#}
{% macro utc_instant(text) -%}
    timestamptz '{{ text }}'
{%- endmacro %}

{#- The UTC hour that an instant lies in, whatever the time zone of the session. -#}
{% macro hour_of(instant) -%}
    date_trunc('hour', {{ instant }}, 'UTC')
{%- endmacro %}

{#- The UTC day that an instant lies in, whatever the time zone of the session. -#}
{% macro utc_date(instant) -%}
    cast({{ instant }} at time zone 'UTC' as date)
{%- endmacro %}

{#- Whole seconds from one instant to a later one. -#}
{% macro seconds_between(earlier, later) -%}
    cast(extract(epoch from {{ later }} - {{ earlier }}) as integer)
{%- endmacro %}

{#- The minute of an instant as a person reads it, 2025-07-20 08:59 UTC. -#}
{% macro minute_text(instant) -%}
    to_char({{ instant }} at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')
{%- endmacro %}
