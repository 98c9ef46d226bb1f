{{ ranked_answer(
    'top_airlines',
    also={'airline_country_code': 'max(airline_country_code)'},
) }}
