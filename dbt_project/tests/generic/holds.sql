{#- The claim is true of every row; a claim that is null does not hold. -#}
{% test holds(model, claim) %}

select *
from {{ model }}
where not coalesce({{ claim }}, false)

{% endtest %}
