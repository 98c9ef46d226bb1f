{{ mean_answer('mean_route_distance_by_continent') }}
