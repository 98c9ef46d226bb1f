with

raw_airports as (

    select * from {{ source('bronze', 'raw_airports') }}

),

countries as (

    select * from {{ ref('countries') }}

),

country_names as (

    select
        lower(country_name) as country_name,
        country_code
    from countries
    union all
    select
        lower(country_name) as country_name,
        country_code
    from {{ ref('country_aliases') }}

),

continents as (

    select
        country_code,
        continent_code
    from countries
    union all
    -- Kosovo, outside ISO 3166-1
    select
        'XK' as country_code,
        'EU' as continent_code

),

described as (

    -- airportsdata is newer and has cities; the feed adds airports that it lacks
    select
        *,
        row_number() over (
            partition by airport_icao
            order by case source when 'airportsdata' then 1 else 2 end
        ) as preference
    from raw_airports

),

claims as (

    -- the stream speaks the feed's codes: of two airports under one code the feed's is meant
    select
        *,
        row_number() over (
            partition by airport_iata
            order by case source when 'feed' then 1 else 2 end, airport_icao
        ) as claim
    from raw_airports
    where airport_iata is not null

),

codes as (

    -- an airport to which the sources give two codes keeps the feed's
    select
        *,
        row_number() over (
            partition by airport_icao
            order by case source when 'feed' then 1 else 2 end
        ) as preference
    from claims
    where claim = 1

),

located as (

    select
        described.*,
        case described.source
            when 'airportsdata' then described.country
            else country_names.country_code
        end as country_code
    from described
    left join country_names
        on lower(described.country) = country_names.country_name
    where described.preference = 1

)

select
    -- ids
    located.airport_icao,
    codes.airport_iata,

    -- what and where it is
    located.airport_name,
    located.city,
    located.country_code,
    continents.continent_code,

    -- measures
    located.lat_deg,
    located.lon_deg,
    located.elevation_ft,

    -- origin of the row
    located.source,
    located.fetched_at

from located
left join codes
    on located.airport_icao = codes.airport_icao and codes.preference = 1
left join continents
    on located.country_code = continents.country_code
