{#- How evidence becomes an answer. A gold model is one of these two macros, the name of its
    question, and what it shows besides. -#}

{#- What both begin with: the evidence of the requested hours, added up for each subject, and the
    share of flights that could be used. -#}
{% macro added_up_evidence(question, also) -%}
    evidence as (

        select * from {{ ref('evidence') }}
        where
            question = '{{ question }}'
            and {{ in_requested_hours('as_of_hour') }}

    ),

    usable_flights as (

        select * from {{ ref('usable_flights') }}
        where
            question = '{{ question }}'
            and {{ in_requested_hours('as_of_hour') }}

    ),

    subjects as (

        -- a flight may count twice for a subject, as outgoing and as incoming
        select
            as_of_hour,
            scope,
            subject,
            max(label) as label,
            max(unit) as unit,
            sum(value) as summed,
            {% for name, expression in also.items() -%}
            {{ expression }} as {{ name }},
            {% endfor -%}
            count(distinct flight_id) as flight_count
        from evidence
        group by as_of_hour, scope, subject

    )
{%- endmacro %}

{#- The subjects of each scope by what their flights add up to, with all ties of the last rank.
    `ranked_by` is an expression over `summed`; `also` names further columns and how a subject gets
    them from its evidence. -#}
{% macro ranked_answer(question, most_ranks=10, ranked_by="summed", also={}) -%}
    with

    {{ added_up_evidence(question, also) }},

    ranked as (

        select
            *,
            rank() over (
                partition by as_of_hour, scope
                order by {{ ranked_by }} desc
            ) as place
        from subjects

    )

    select
        ranked.as_of_hour,
        ranked.scope,
        cast(ranked.place as integer) as rank,
        ranked.subject,
        ranked.label,
        cast(ranked.summed as numeric(12, 3)) as value,
        ranked.unit,
        ranked.flight_count,
        usable_flights.usable_ratio
        {%- for name in also %},
        ranked.{{ name }}
        {%- endfor %}
    from ranked
    left join usable_flights
        on ranked.as_of_hour = usable_flights.as_of_hour
    where ranked.place <= {{ most_ranks }}
{%- endmacro %}

{#- The mean of what the flights of each scope add: nothing is ranked, and the scope is the
    subject. Divided and rounded once, over exact numbers. -#}
{% macro mean_answer(question) -%}
    with

    {{ added_up_evidence(question, {}) }}

    select
        subjects.as_of_hour,
        subjects.scope,
        cast(null as integer) as rank,
        subjects.subject,
        subjects.label,
        cast(round(subjects.summed / subjects.flight_count, 3) as numeric(12, 3)) as value,
        subjects.unit,
        subjects.flight_count,
        usable_flights.usable_ratio
    from subjects
    left join usable_flights
        on subjects.as_of_hour = usable_flights.as_of_hour
{%- endmacro %}
