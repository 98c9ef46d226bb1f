{{ ranked_answer(
    'top_regional_airlines_by_continent',
    also={'airline_country_code': 'max(airline_country_code)'},
) }}
