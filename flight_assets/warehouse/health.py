"""What the warehouse tells of the line: the last poll and landing, what was rejected, disk use.

Every query is bounded by what is new or by a count of relations, never by the history.
"""

from typing import Any

import psycopg

from flight_assets.core.report import Disk, LastPoll, Rejected

Connection = psycopg.Connection[tuple[Any, ...]]

# By the newest slices: a poll's own times may be those of a capture, years ago.
LAST_POLL = """
select poll_id, source, ended_at, observation_count,
    round(100.0 * observation_count / nullif(full_count, 0), 2)::float8,
    cardinality(failed_tile_ids), cardinality(saturated_tile_ids)
from bronze.raw_polls
where (log_hour, slice_id) in (
    select log_hour, slice_id from bronze.landed_slices
    where topic = 'flights.polls' and row_count > 0
    order by slice_id desc limit 1
)
order by kafka_offset desc
limit 1
"""

# A replay gives its slices new ids, and is a landing too.
LAST_LANDED = """
select landed_at from bronze.landed_slices where kind = 'landed' order by slice_id desc limit 1
"""

# The ledger says in which log hours to look, as what was rejected has no index by time. A day has
# some 10,000 slices at one poll a minute.
REJECTED = """
select reason, count(*)
from bronze.rejected_messages
where rejected_at > now() - interval '1 day'
and log_hour = any(array(
    select distinct log_hour
    from (
        select log_hour, landed_at, rejected_count
        from bronze.landed_slices
        order by slice_id desc
        limit 100000
    ) as newest
    where landed_at > now() - interval '1 day' and rejected_count > 0
))
group by reason
order by count(*) desc, reason
"""

SCHEMA_BYTES = """
select 'schema ' || nspname, sum(pg_total_relation_size(pg_class.oid))::bigint
from pg_class
inner join pg_namespace on pg_namespace.oid = relnamespace
where relkind in ('r', 'm') and nspname in ('bronze', 'silver', 'gold')
group by nspname
order by array_position(array['bronze', 'silver', 'gold'], nspname::text)
"""
DATABASE_BYTES = "select pg_database_size(current_database())"


def last_poll(connection: Connection) -> LastPoll | None:
    """Return the newest poll that has landed, ``None`` where none ever did."""
    row = connection.execute(LAST_POLL).fetchone()
    if row is None:
        return None
    poll_id, source, ended_at, observation_count, coverage_pct, failed, saturated = row
    return LastPoll(
        poll_id=poll_id,
        source=source,
        ended_at=ended_at,
        observation_count=observation_count,
        coverage_pct=coverage_pct,
        failed_tile_count=failed,
        saturated_tile_count=saturated,
    )


def last_landed_at(connection: Connection) -> Any:
    """Return when the newest slice committed, ``None`` where nothing ever landed."""
    row = connection.execute(LAST_LANDED).fetchone()
    return None if row is None else row[0]


def rejected_lately(connection: Connection) -> tuple[Rejected, ...]:
    """Return the messages rejected in the last 24 hours, by reason, the most frequent first."""
    return tuple(
        Rejected(reason=reason, messages=messages)
        for reason, messages in connection.execute(REJECTED)
    )


def disk_use(connection: Connection) -> tuple[Disk, ...]:
    """Return the bytes of the database and of each layer's schema in it."""
    row = connection.execute(DATABASE_BYTES).fetchone()
    whole = Disk(what="database", bytes=row[0] if row else 0)
    schemas = connection.execute(SCHEMA_BYTES).fetchall()
    return (whole, *(Disk(what=what, bytes=size) for what, size in schemas))
