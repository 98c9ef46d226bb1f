{% set observed_fleets = rows_or_none(
    ref('observed_fleets'),
    {'as_of_hour': 'timestamptz', 'airline_icao': 'text', 'registration': 'text'}
) %}

with

newest_hour as (

    select max(as_of_hour) as newest_as_of_hour from {{ observed_fleets }}

),

registration_prefixes as (

    select
        *,
        length(prefix) as prefix_length
    from {{ ref('registration_prefixes') }}

),

recent_fleets as (

    -- the last days by the clock of the observations: captures may be years old. A scalar, so that
    -- the index finds the days and the history before them is not read
    select
        airline_icao,
        registration
    from {{ observed_fleets }}
    where
        as_of_hour > (
            select newest_hour.newest_as_of_hour - interval '{{ var("observed_fleet_days") }}' day
            from newest_hour
        )
    group by airline_icao, registration

),

registrations as (

    select registration from recent_fleets
    group by registration

),

prefix_lengths as (

    select prefix_length from registration_prefixes
    group by prefix_length

),

readings as (

    select
        registrations.registration,
        registration_prefixes.country_code,
        registration_prefixes.is_open_registry,
        row_number() over (
            partition by registrations.registration
            order by
                registration_prefixes.prefix_length desc,
                registration_prefixes.registration_length asc nulls last
        ) as preference
    from registrations
    cross join prefix_lengths
    inner join registration_prefixes
        on
            substr(registrations.registration, 1, prefix_lengths.prefix_length)
            = registration_prefixes.prefix
            and prefix_lengths.prefix_length = registration_prefixes.prefix_length
            and length(registrations.registration) = coalesce(
                registration_prefixes.registration_length, length(registrations.registration)
            )

),

countries_of_registration as (

    select * from readings
    where preference = 1

)

select
    recent_fleets.airline_icao,
    countries_of_registration.country_code,
    countries_of_registration.is_open_registry,
    count(*) as aircraft_count
from recent_fleets
left join countries_of_registration
    on recent_fleets.registration = countries_of_registration.registration
group by
    recent_fleets.airline_icao,
    countries_of_registration.country_code,
    countries_of_registration.is_open_registry
