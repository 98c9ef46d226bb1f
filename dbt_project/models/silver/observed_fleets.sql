with

sightings as (

    -- one branch for each hour with its instants written out, as in flight_states. From bronze
    -- itself: what is counted once anyway need not be deduplicated first
    {% for hour in answer_windows(ref('as_of_hours')) %}
        select
            {{ utc_instant(hour.as_of_hour) }} as as_of_hour,
            airline_icao,
            registration
        from {{ source('bronze', 'raw_flights') }}
        where
            {{ is_recent('observed_at', utc_instant(hour.as_of_at)) }}
            and airline_icao is not null
            and registration is not null
        {{ "union all" if not loop.last }}
    {% endfor %}

)

select
    as_of_hour,
    airline_icao,
    registration
from sightings
group by as_of_hour, airline_icao, registration
