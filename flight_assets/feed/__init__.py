"""FlightRadar24: the client, one sweep of the world by it, and the way to Kafka."""
