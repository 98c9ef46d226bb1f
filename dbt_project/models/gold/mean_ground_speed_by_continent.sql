{{ mean_answer('mean_ground_speed_by_continent') }}
