{{ ranked_answer('top_destination_airports_by_continent') }}
