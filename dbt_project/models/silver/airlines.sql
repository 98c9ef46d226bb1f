with

raw_airlines as (

    select * from {{ source('bronze', 'raw_airlines') }}

),

airline_countries as (

    select * from {{ ref('airline_countries') }}

),

fleets as (

    -- of the aircraft whose country of registration is known
    select
        *,
        sum(aircraft_count) over (partition by airline_icao) as known_count
    from {{ ref('airline_fleets') }}
    where country_code is not null

),

inferred_countries as (

    select
        airline_icao,
        country_code,
        aircraft_count,
        cast(round(1.0 * aircraft_count / known_count, 6) as numeric(7, 6)) as support_ratio
    from fleets
    where
        not is_open_registry
        and aircraft_count >= {{ var('inferred_country_min_aircraft') }}
        -- more than half, so that there is one at most
        and 2 * aircraft_count > known_count

),

airline_codes as (

    select airline_icao from raw_airlines
    union
    select airline_icao from airline_countries
    union
    select airline_icao from inferred_countries

),

described as (

    select
        airline_codes.airline_icao,
        raw_airlines.airline_iata,
        raw_airlines.fleet_count,
        inferred_countries.aircraft_count,
        inferred_countries.support_ratio,
        coalesce(airline_countries.airline_name, raw_airlines.airline_name) as airline_name,
        coalesce(
            airline_countries.country_code, inferred_countries.country_code
        ) as country_code,
        case
            when airline_countries.country_code is not null then 'airline_countries'
            when inferred_countries.country_code is not null then 'inferred'
        end as country_source
    from airline_codes
    left join airline_countries
        on airline_codes.airline_icao = airline_countries.airline_icao
    left join raw_airlines
        on airline_codes.airline_icao = raw_airlines.airline_icao
    left join inferred_countries
        on airline_codes.airline_icao = inferred_countries.airline_icao

)

select
    -- ids
    airline_icao,
    airline_iata,

    -- who and where it is
    airline_name,
    country_code,
    country_source,
    case when country_source = 'inferred' then support_ratio end as country_support_ratio,
    case when country_source = 'inferred' then aircraft_count end as country_aircraft_count,

    -- measures
    fleet_count

from described
