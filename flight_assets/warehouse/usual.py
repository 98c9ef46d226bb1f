"""The questions to the warehouse that compare hours with earlier ones, and tables with contracts.

Each reads the hours it names by their index, never the history. ``flight_assets.core.expectations``
judges what they say.
"""

# The columns of silver.flight_states that the source gives or not.
GIVEN = (
    *("callsign", "flight_number", "registration", "icao24", "type_code", "airline_icao"),
    *("origin_iata", "destination_iata", "altitude_ft", "ground_speed_kt", "heading_deg"),
)

# The hour and the same hour of up to seven days before it, by the last poll of each.
VOLUMES = """
select
    hours.as_of_hour,
    hours.observation_count,
    earlier.observation_counts
from silver.as_of_hours as hours
cross join lateral (
    select coalesce(array_agg(same_hour.observation_count), '{}') as observation_counts
    from silver.as_of_hours as same_hour
    where same_hour.source = hours.source and same_hour.as_of_hour = any(array(
        select hours.as_of_hour - days * interval '24 hours' from generate_series(1, 7) as days
    ))
) as earlier
where hours.as_of_hour between %(first)s and %(last)s
order by hours.as_of_hour
"""

# The shares of an hour, and of the answered hours of the three days before it that are nearest.
SHARES = f"""
with

nearest as (

    select as_of_hour from silver.as_of_hours
    where as_of_hour between %(last)s - interval '72 hours' and %(last)s
    order by as_of_hour desc
    limit 7

)

select
    flight_states.as_of_hour,
    count(*) as flight_count,
    {", ".join(f"count({column})::float8 / count(*) as {column}" for column in GIVEN)}
from nearest
inner join silver.flight_states as flight_states
    on nearest.as_of_hour = flight_states.as_of_hour
group by flight_states.as_of_hour
order by flight_states.as_of_hour
"""

JUMPS = """
select
    today.as_of_hour,
    today.subject,
    today.flight_count,
    before.flight_count as flight_count_24h_before
from gold.top_airlines as today
inner join gold.top_airlines as before
    on
        today.subject = before.subject
        and before.as_of_hour = today.as_of_hour - interval '24 hours'
where today.as_of_hour between %(first)s and %(last)s
order by today.as_of_hour, today.rank, today.subject
"""

COLUMNS = """
select
    table_schema || '.' || table_name as relation,
    column_name,
    data_type,
    is_nullable = 'YES' as is_nullable
from information_schema.columns
where table_schema = any(%(schemas)s)
"""
