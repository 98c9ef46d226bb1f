{#- What a generic test looks at. A test of an hourly table sees the requested hours only, by
    as_of_hour or the column that its meta names, so that its cost follows what is new; dbt calls this macro for every generic test. -#}
{% macro get_where_subquery(relation) -%}
    {%- set tested = graph.nodes.get(model.attached_node) if execute else none -%}
    {%- set claims = [] -%}
    {%- if config.get("where") -%}
        {%- do claims.append("(" ~ config.get("where") ~ ")") -%}
    {%- endif -%}
    {%- if tested and "hourly" in tested.tags -%}
        {%- set hour_column = tested.config.meta.get("hour_column", "as_of_hour") -%}
        {%- do claims.append(in_requested_hours(hour_column)) -%}
    {%- endif -%}
    {%- if claims -%}
        (select * from {{ relation }} where {{ claims | join(" and ") }}) as {{ relation.identifier }}
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}
