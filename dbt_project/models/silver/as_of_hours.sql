-- which of the requested hours are left alone is asked of it
-- depends_on: {{ ref('closed_hours') }}

with

raw_polls as (

    select * from {{ source('bronze', 'raw_polls') }}
    where {{ in_requested_hours('started_at') }}

),

sightings as (

    select
        *,
        row_number() over (
            partition by poll_id
            order by log_hour, kafka_partition, kafka_offset
        ) as sighting
    from raw_polls

),

polls as (

    -- a record that was published twice is one poll
    select
        *,
        {{ hour_of('started_at') }} as as_of_hour
    from sightings
    where sighting = 1

),

ranked as (

    -- the last poll is the one that ended last; of several the one that began last
    select
        *,
        count(*) over (partition by as_of_hour) as poll_count,
        row_number() over (
            partition by as_of_hour
            order by ended_at desc, started_at desc, poll_id asc
        ) as recency
    from polls

),

last_polls as (

    select * from ranked
    where recency = 1

)

select
    -- times
    as_of_hour,
    ended_at as as_of_at,

    -- the last poll
    poll_id,
    source,
    observation_count,
    full_count,
    cast(
        round(100.0 * observation_count / nullif(full_count, 0), 3) as numeric(9, 3)
    ) as coverage_pct,
    cardinality(saturated_tile_ids) as saturated_tile_count,
    cardinality(failed_tile_ids) as failed_tile_count,

    -- the hour
    poll_count,

    -- origin of the row
    slice_id

from last_polls
