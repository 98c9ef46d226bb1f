with

counted as (

    -- each branch names the table: Postgres would keep a common input whole, with all its hours
    {% for question in question_models() %}
        select
            as_of_hour,
            '{{ question }}' as question,
            count(*) as active_count,
            count(case when {{ is_usable(question) }} then 1 end) as usable_count
        from {{ ref('flight_states') }}
        where
            is_active
            and {{ in_requested_hours('as_of_hour') }}
        group by as_of_hour
        {{ "union all" if not loop.last }}
    {% endfor %}

)

select
    as_of_hour,
    question,
    active_count,
    usable_count,
    cast(
        round(cast(usable_count as numeric(18, 6)) / active_count, 6) as numeric(7, 6)
    ) as usable_ratio
from counted
