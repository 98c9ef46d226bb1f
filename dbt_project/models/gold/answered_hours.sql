-- the last model of the chain: it says nothing of an hour before every question is answered
{% for question in question_models() %}
-- depends_on: {{ ref(question) }}
{% endfor %}

with

as_of_hours as (

    select * from {{ ref('as_of_hours') }}
    where {{ in_requested_hours('as_of_hour') }}

)

select
    as_of_hour,
    as_of_at,
    cast({{ through_slice_id() }} as bigint) as through_slice_id,
    current_timestamp as answered_at,
    {{ run_id() }} as run_id
from as_of_hours
