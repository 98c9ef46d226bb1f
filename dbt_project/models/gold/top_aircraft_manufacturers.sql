{{ ranked_answer('top_aircraft_manufacturers') }}
