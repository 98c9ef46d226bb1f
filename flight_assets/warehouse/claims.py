"""The questions to the warehouse behind the asset checks; ``flight_assets.checks`` judges them.

Each looks at the hours from ``first`` to ``last``, both included, unless it says otherwise.
"""

# Each slice of the hours beside its neighbours, by the key of the ledger: never all of the chain.
BROKEN_CHAINS = """
select
    slices.topic, slices.kafka_partition, slices.start_offset, slices.end_offset,
    before.end_offset as last_end, after.start_offset as next_start
from bronze.landed_slices as slices
left join lateral (
    select other.end_offset from bronze.landed_slices as other
    where
        other.topic = slices.topic and other.topic_id = slices.topic_id
        and other.kafka_partition = slices.kafka_partition
        and other.start_offset < slices.start_offset and other.kind <> 'retried'
    order by other.start_offset desc
    limit 1
) as before on true
left join lateral (
    select other.start_offset from bronze.landed_slices as other
    where
        other.topic = slices.topic and other.topic_id = slices.topic_id
        and other.kafka_partition = slices.kafka_partition
        and other.start_offset > slices.start_offset and other.kind <> 'retried'
    order by other.start_offset
    limit 1
) as after on true
where
    slices.topic = %(topic)s and slices.log_hour between %(first)s and %(last)s
    and slices.kind <> 'retried'
    and (before.end_offset <> slices.start_offset or after.start_offset <> slices.end_offset)
order by slices.topic, slices.kafka_partition, slices.start_offset
limit 10
"""

# By the key of the table: it costs what the run brought, not the hour so far. What was pruned is
# counted by the ledger alone.
MISCOUNTED_SLICES = """
select slices.slice_id, slices.row_count, table_rows, rejected_count, table_rejected
from bronze.landed_slices as slices
cross join lateral (
    select count(*) as table_rows from {table} as landed
    where landed.log_hour = slices.log_hour
    and landed.kafka_partition = slices.kafka_partition
    and landed.kafka_offset >= slices.start_offset
    and landed.kafka_offset < slices.end_offset
    and landed.slice_id = slices.slice_id
) as landed
cross join lateral (
    select count(*) as table_rejected from bronze.rejected_messages as rejected
    where rejected.log_hour = slices.log_hour
    and rejected.topic = slices.topic
    and rejected.kafka_partition = slices.kafka_partition
    and rejected.kafka_offset >= slices.start_offset
    and rejected.kafka_offset < slices.end_offset
    and rejected.slice_id = slices.slice_id
) as rejected
left join bronze.pruned_days as rows_pruned
    on rows_pruned.table_name = '{table}'
    and rows_pruned.log_date = cast(slices.log_hour at time zone 'UTC' as date)
    and slices.slice_id <= rows_pruned.through_slice_id
left join bronze.pruned_days as rejected_pruned
    on rejected_pruned.table_name = 'bronze.rejected_messages'
    and rejected_pruned.log_date = cast(slices.log_hour at time zone 'UTC' as date)
    and slices.slice_id <= rejected_pruned.through_slice_id
where
    slices.topic = %(topic)s and kind <> 'hole'
    and slices.log_hour between %(first)s and %(last)s
    and (slices.run_id = %(run_id)s or not %(has_landed)s)
    and (
        (slices.row_count <> table_rows and rows_pruned.log_date is null)
        or (rejected_count <> table_rejected and rejected_pruned.log_date is null)
    )
order by slices.slice_id
limit 10
"""

RUN_HAS_LANDED = """
select exists (
    select from bronze.landed_slices
    where
        run_id = %(run_id)s and topic = %(topic)s
        and log_hour between %(first)s and %(last)s
) as has_landed
"""

REJECTED_BY_REASON = """
select reason, count(*) as messages, min(detail) as example
from bronze.rejected_messages
where topic = 'flights.positions' and log_hour between %(first)s and %(last)s
group by reason
order by messages desc
limit 20
"""
# The newest of each reason: 3 of them, up to 300 bytes of each as escapes.
REJECTED_SAMPLES = """
select
    reason, kafka_partition, kafka_offset, detail,
    encode(substring(value for 300), 'escape') as value
from (
    select *, row_number() over (
        partition by reason order by log_hour desc, kafka_offset desc
    ) as place
    from bronze.rejected_messages
    where topic = 'flights.positions' and log_hour between %(first)s and %(last)s
) as newest
where place <= 3
order by reason, place
limit 30
"""
LANDED_ROWS = """
select coalesce(sum(row_count), 0)::bigint as rows
from bronze.landed_slices
where topic = 'flights.positions' and log_hour between %(first)s and %(last)s
"""


COVERAGE = """
select as_of_hour, coverage_pct, saturated_tile_count, failed_tile_count
from silver.as_of_hours
where as_of_hour between %(first)s and %(last)s
order by as_of_hour
"""

# Of the active flights that name a code, how many have one that the references know.
MATCHES = """
select
    count(origin_iata) + count(destination_iata) as airport_codes,
    count(origin_icao) + count(destination_icao) as airports_matched,
    count(airline_icao) as airline_codes,
    count(airline_country_code) as airlines_matched,
    count(type_code) as type_codes,
    count(model) as types_matched
from silver.flight_states
where as_of_hour between %(first)s and %(last)s and is_active
"""
UNMATCHED = """
select kind, code, count(*) as flights
from silver.flight_states
cross join lateral (values
    ('airport', origin_iata, origin_icao),
    ('airport', destination_iata, destination_icao),
    ('airline', airline_icao, airline_country_code),
    ('type', type_code, model)
) as named (kind, code, matched)
where as_of_hour between %(first)s and %(last)s and is_active
and code is not null and matched is null
group by kind, code
order by flights desc, kind, code
limit 20
"""

UNANSWERED = """
select as_of_hour, as_of_at, newest_slice_id, answered_through_slice_id
from gold.stale_hours
where as_of_hour between %(first)s and %(last)s
order by as_of_hour
limit 24
"""

# Of what the run landed: stretches beside others of the same time whose rows are gone. Whatever is
# made of them is made of all of them or not at all.
TOO_LATE = """
select landed.log_hour, brought.event_hour, sum(brought.row_count)::bigint as observations
from bronze.landed_slices as landed
inner join bronze.slice_event_hours as brought
    on landed.slice_id = brought.slice_id
where
    landed.topic = 'flights.positions' and landed.run_id = %(run_id)s
    and landed.log_hour between %(first)s and %(last)s
    and brought.event_hour - interval '1 hour'
    <= (select max(last_event_at) from bronze.pruned_days)
    and exists (
        select from bronze.pruned_slice_hours as pruned
        where
            pruned.topic = landed.topic
            and pruned.event_hour between brought.event_hour - interval '1 hour'
            and brought.event_hour + interval '1 hour'
            and pruned.first_event_at < brought.last_event_at + interval '15 minutes'
            and pruned.last_event_at > brought.first_event_at - interval '15 minutes'
    )
group by landed.log_hour, brought.event_hour
order by brought.event_hour
limit 24
"""
