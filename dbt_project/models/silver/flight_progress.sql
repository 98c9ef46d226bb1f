-- the last model of its chain: it says nothing of a slice before every table has it
-- depends_on: {{ ref('flight_sessions') }}
-- depends_on: {{ ref('quality_quarters') }}
select
    cast({{ through_slice_id() }} as bigint) as through_slice_id,
    {{ run_id() }} as run_id,
    current_timestamp as built_at
