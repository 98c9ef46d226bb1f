{#- Great-circle kilometres between two points in degrees (haversine), as double precision.
    6371.0088 km is the mean radius R1 of the IUGG. Null where a coordinate is null.
    `least` keeps the rounding of antipodes inside the domain of asin; it passes over nulls, so
    they are asked for first. -#}
{% macro great_circle_km(from_lat_deg, from_lon_deg, to_lat_deg, to_lon_deg) -%}
    case
        when {{ from_lat_deg }} + {{ from_lon_deg }} + {{ to_lat_deg }} + {{ to_lon_deg }} is not null
            then 2 * 6371.0088 * asin(sqrt(least(
                1.0,
                power(sin(radians({{ to_lat_deg }} - {{ from_lat_deg }}) / 2), 2)
                + cos(radians({{ from_lat_deg }})) * cos(radians({{ to_lat_deg }}))
                * power(sin(radians({{ to_lon_deg }} - {{ from_lon_deg }}) / 2), 2)
            )))
    end
{%- endmacro %}
