{{ ranked_answer('top_aircraft_models_by_continent') }}
