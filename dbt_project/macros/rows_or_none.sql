{#- The rows of a relation, or none with the same columns where it has not been built yet: what the
    hourly models bring is missing when the references are built for the first time. -#}
{% macro rows_or_none(relation, columns) -%}
    {%- if not execute or relation.is_cte or load_relation(relation) is not none -%}
        {{ relation }}
    {%- else -%}
        (
            select
                {% for name, type in columns.items() -%}
                    cast(null as {{ type }}) as {{ name }}{{ "," if not loop.last }}
                {% endfor -%}
            where 1 = 0
        ) as nothing
    {%- endif -%}
{%- endmacro %}
