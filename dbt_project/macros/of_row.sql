{#- In a group: the value of a column in the one row of which the condition holds. -#}
{% macro of_row(column, condition) -%}
    max(case when {{ condition }} then {{ column }} end)
{%- endmacro %}

{#- In a group: the earliest value of a text that is not missing. `instant` is in whole seconds,
    whose ten digits (2001 to 2286) order as texts do. -#}
{% macro first_known(column, instant) -%}
    substring(
        min(
            case
                when {{ column }} is not null
                    then concat(cast(extract(epoch from {{ instant }}) as bigint), {{ column }})
            end
        ), 11
    )
{%- endmacro %}
