{% snapshot aircraft_types_history %}

{{
    config(
        unique_key='type_code',
        check_cols=[
            'manufacturer',
            'model',
            'category',
            'is_aircraft',
        ],
    )
}}

select * from {{ ref('aircraft_types') }}

{% endsnapshot %}
