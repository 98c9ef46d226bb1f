{#- What a generic test looks at. A test of an hourly table sees the requested hours only, so that
    its cost follows what is new; dbt calls this macro for every generic test. -#}
{% macro get_where_subquery(relation) -%}
    {%- set tested = graph.nodes.get(model.attached_node) if execute else none -%}
    {%- set claims = [] -%}
    {%- if config.get("where") -%}
        {%- do claims.append("(" ~ config.get("where") ~ ")") -%}
    {%- endif -%}
    {%- if tested and "hourly" in tested.tags -%}
        {%- do claims.append(in_requested_hours("as_of_hour")) -%}
    {%- endif -%}
    {%- if claims -%}
        (select * from {{ relation }} where {{ claims | join(" and ") }}) as {{ relation.identifier }}
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}
