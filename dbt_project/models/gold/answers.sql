{{ config(materialized='view') }}

{% for question in question_models() %}
    select
        as_of_hour,
        '{{ question }}' as question,
        scope,
        rank,
        subject,
        label,
        value,
        unit,
        flight_count
    from {{ ref(question) }}
    {{ "union all" if not loop.last }}
{% endfor %}
