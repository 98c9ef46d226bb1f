{% snapshot airlines_history %}

{{
    config(
        unique_key='airline_icao',
        check_cols=[
            'airline_iata',
            'airline_name',
            'country_code',
            'country_source',
        ],
    )
}}

select * from {{ ref('airlines') }}

{% endsnapshot %}
