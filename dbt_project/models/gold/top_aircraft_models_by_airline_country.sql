{{ ranked_answer(
    'top_aircraft_models_by_airline_country',
    most_ranks=3,
    also={'airline_count': 'count(distinct airline_icao)'},
) }}
