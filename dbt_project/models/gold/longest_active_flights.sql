-- many flights share a longest route: all of them are shown. A subject is one flight, so that
-- `max` gives what it has
{{ ranked_answer(
    'longest_active_flights',
    also={
        'origin_iata': 'max(origin_iata)',
        'destination_iata': 'max(destination_iata)',
        'route_distance_km': 'cast(max(route_distance_km) as numeric(9, 3))',
        'airline_icao': 'max(airline_icao)',
        'type_code': 'max(type_code)',
    },
) }}
