with

flight_quarters as (

    select * from {{ ref('flight_quarters') }}
    where {{ in_quarters('quarter_at', touched_quarters()) }}

),

summed as (

    select
        quarter_at,
        {% for flag in quality_flags() -%}
            sum({{ flag }}_count) as {{ flag }}_count,
        {% endfor -%}
        sum(observation_count) as observation_count
    from flight_quarters
    group by quarter_at

)

{% for flag in quality_flags() %}
    select
        quarter_at,
        '{{ flag }}' as flag,
        cast({{ flag }}_count as bigint) as flagged_count,
        cast(observation_count as bigint) as observation_count
    from summed
    {{ "union all" if not loop.last }}
{% endfor %}
