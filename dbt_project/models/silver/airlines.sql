with

raw_airlines as (

    select * from {{ source('bronze', 'raw_airlines') }}

),

airline_countries as (

    select * from {{ ref('airline_countries') }}

),

airline_codes as (

    select airline_icao from raw_airlines
    union
    select airline_icao from airline_countries

)

select
    -- ids
    airline_codes.airline_icao,
    raw_airlines.airline_iata,

    -- who and where it is
    coalesce(airline_countries.airline_name, raw_airlines.airline_name) as airline_name,
    airline_countries.country_code,
    case
        when airline_countries.country_code is not null then 'airline_countries'
    end as country_source,

    -- measures
    raw_airlines.fleet_count

from airline_codes
left join airline_countries
    on airline_codes.airline_icao = airline_countries.airline_icao
left join raw_airlines
    on airline_codes.airline_icao = raw_airlines.airline_icao
