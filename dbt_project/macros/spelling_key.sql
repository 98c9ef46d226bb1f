{#- What the spellings of one name have in common: neither case nor space nor hyphen counts. -#}
{% macro spelling_key(name) -%}
    lower(replace(replace({{ name }}, ' ', ''), '-', ''))
{%- endmacro %}
