{#- Every value of the column is one of the field in the other table; null is no value. In place of
    dbt's own, which reads all of the other table: of the hours it looks at the requested ones. -#}
{% test relationships(model, column_name, to, field) %}

with

named as (

    select {{ column_name }} as named_value
    from {{ model }}
    where {{ column_name }} is not null

),

known as (

    select {{ field }} as known_value
    from {{ to }}
    where {{ in_requested_hours(field) if field == "as_of_hour" else "true" }}

)

select named.named_value
from named
left join known
    on named.named_value = known.known_value
where known.known_value is null

{% endtest %}
