{{ config(materialized='view') }}

with

polls as (

    -- as it is now: the poll itself may be what is new
    select
        {{ hour_of('started_at') }} as as_of_hour,
        max(ended_at) as as_of_at
    from {{ source('bronze', 'raw_polls') }}
    group by {{ hour_of('started_at') }}

),

hours as (

    select
        polls.as_of_hour,
        polls.as_of_at,
        polls.as_of_at
        - interval '{{ var("active_max_age_minutes") }}' minute as window_from,
        answered_hours.through_slice_id,
        coalesce(answered_hours.through_slice_id, -1) as seen_slice_id
    from polls
    left join {{ ref('answered_hours') }} as answered_hours
        on polls.as_of_hour = answered_hours.as_of_hour

),

looked_at as (

    -- what an answer is made of: the polls of its hour, and the observations of some minutes, which
    -- lie in one hour or in two
    select
        as_of_hour,
        seen_slice_id,
        '{{ var("polls_topic") }}' as topic,
        as_of_hour as event_hour,
        as_of_hour as first_at,
        as_of_hour + interval '1' hour as last_at
    from hours
    union all
    select
        as_of_hour,
        seen_slice_id,
        '{{ var("positions_topic") }}' as topic,
        {{ hour_of('as_of_at') }} as event_hour,
        window_from as first_at,
        as_of_at as last_at
    from hours
    union all
    select
        as_of_hour,
        seen_slice_id,
        '{{ var("positions_topic") }}' as topic,
        {{ hour_of('window_from') }} as event_hour,
        window_from as first_at,
        as_of_at as last_at
    from hours
    where {{ hour_of('window_from') }} < {{ hour_of('as_of_at') }}

),

newest_slices as (

    -- a subquery for each, as the index of slice_event_hours leads straight to what is newer, and
    -- the key of the ledger to the topic; joins would read the ledger
    select
        looked_at.as_of_hour,
        (
            select max(slice_event_hours.slice_id)
            from {{ source('bronze', 'slice_event_hours') }} as slice_event_hours
            where
                slice_event_hours.event_hour = looked_at.event_hour
                and slice_event_hours.slice_id > looked_at.seen_slice_id
                and slice_event_hours.first_event_at <= looked_at.last_at
                and slice_event_hours.last_event_at >= looked_at.first_at
                and (
                    select landed_slices.topic
                    from {{ source('bronze', 'landed_slices') }} as landed_slices
                    where landed_slices.slice_id = slice_event_hours.slice_id
                ) = looked_at.topic
        ) as slice_id
    from looked_at

),

touched_hours as (

    select
        as_of_hour,
        max(slice_id) as newest_slice_id
    from newest_slices
    group by as_of_hour
    having max(slice_id) is not null

),

closed_hours as (

    -- as closed_hours says, of the few touched hours only: all that was ever pruned is much. Not
    -- from that model, as a view on a view vanishes while dbt makes the lower one again
    select looked_at.as_of_hour
    from looked_at
    inner join touched_hours
        on looked_at.as_of_hour = touched_hours.as_of_hour
    where (
        select max(pruned.slice_id)
        from {{ source('bronze', 'pruned_slice_hours') }} as pruned
        where
            pruned.event_hour = looked_at.event_hour
            and pruned.topic = looked_at.topic
            and pruned.first_event_at <= looked_at.last_at
            and pruned.last_event_at >= looked_at.first_at
    ) is not null
    group by looked_at.as_of_hour

)

select
    hours.as_of_hour,
    hours.as_of_at,
    touched_hours.newest_slice_id,
    hours.through_slice_id as answered_through_slice_id
from hours
inner join touched_hours
    on hours.as_of_hour = touched_hours.as_of_hour
left join closed_hours
    on hours.as_of_hour = closed_hours.as_of_hour
where closed_hours.as_of_hour is null
