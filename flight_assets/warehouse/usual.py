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

# Who is in the answer of an hour or of the day before it: an airline that vanished is in the
# latter alone. Hours whose day before has no answer, or is of another source, are left out.
JUMPS = """
with

hours as (

    select today.as_of_hour, before.as_of_hour as day_before
    from silver.as_of_hours as today
    inner join silver.as_of_hours as before
        on
            today.source = before.source
            and before.as_of_hour = today.as_of_hour - interval '24 hours'
    where today.as_of_hour between %(first)s and %(last)s

),

named as (

    select distinct hours.as_of_hour, hours.day_before, answer.subject
    from hours
    inner join gold.top_airlines as answer
        on answer.as_of_hour = any(array[hours.as_of_hour, hours.day_before])

),

counted as (

    select flight_states.as_of_hour, flight_states.airline_icao, count(*) as flight_count
    from (select as_of_hour from hours union select day_before from hours) as seen
    inner join silver.flight_states as flight_states
        on seen.as_of_hour = flight_states.as_of_hour
    where flight_states.is_active
    group by flight_states.as_of_hour, flight_states.airline_icao

)

select
    named.as_of_hour,
    named.subject,
    coalesce(today.flight_count, 0) as flight_count,
    coalesce(before.flight_count, 0) as flight_count_24h_before
from named
left join counted as today
    on named.as_of_hour = today.as_of_hour and named.subject = today.airline_icao
left join counted as before
    on named.day_before = before.as_of_hour and named.subject = before.airline_icao
order by named.as_of_hour, named.subject
"""

# Of the named tables alone: bronze has a partition for each day.
COLUMNS = """
select
    table_name,
    column_name,
    data_type,
    is_nullable = 'YES' as is_nullable
from information_schema.columns
where table_schema = 'bronze' and table_name = any(%(tables)s)
"""
