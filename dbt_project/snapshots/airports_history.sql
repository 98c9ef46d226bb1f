{% snapshot airports_history %}

{{
    config(
        unique_key='airport_icao',
        check_cols=[
            'airport_iata',
            'airport_name',
            'city',
            'country_code',
            'continent_code',
            'lat_deg',
            'lon_deg',
        ],
    )
}}

select * from {{ ref('airports') }}

{% endsnapshot %}
