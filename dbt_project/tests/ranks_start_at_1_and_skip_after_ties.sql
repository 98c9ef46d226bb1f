-- every ranking of the requested hours is 1, 2, 2, 4 …, and nothing in it was lost on the way
with

answers as (

    select * from {{ ref('answers') }}
    where
        {{ in_requested_hours('as_of_hour') }}
        and rank is not null

),

ranked as (

    select
        *,
        rank() over (partition by as_of_hour, question, scope order by rank) as expected_rank
    from answers

)

select * from ranked
where rank <> expected_rank
