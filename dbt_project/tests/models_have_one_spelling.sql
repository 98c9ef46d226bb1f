{{ config(tags=['reference']) }}

-- of one manufacturer no two models differ in case, space or hyphen alone, nor do two manufacturers
with

aircraft_types as (

    select * from {{ ref('aircraft_types') }}

),

names as (

    select
        {{ spelling_key('manufacturer') }} as manufacturer_key,
        {{ spelling_key('model') }} as model_key,
        manufacturer,
        model
    from aircraft_types

)

select
    manufacturer_key,
    model_key,
    min(manufacturer) as one_manufacturer,
    max(manufacturer) as other_manufacturer,
    min(model) as one_model,
    max(model) as other_model
from names
group by manufacturer_key, model_key
having min(manufacturer) <> max(manufacturer) or min(model) <> max(model)
