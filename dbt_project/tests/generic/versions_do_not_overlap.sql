{#- Of the versions of a key in a history no two are valid at one instant; without a key, nothing
    is claimed. -#}
{% test versions_do_not_overlap(model, key) %}

select *
from (
    select
        {{ key }},
        dbt_valid_from,
        lag(coalesce(dbt_valid_to, {{ utc_instant('9999-12-31T00:00:00Z') }})) over (
            partition by {{ key }}
            order by dbt_valid_from, dbt_valid_to
        ) as last_valid_to
    from {{ model }}
    where {{ key }} is not null
) as versions
where dbt_valid_from < last_valid_to

{% endtest %}
