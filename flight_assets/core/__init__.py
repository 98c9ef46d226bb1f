"""Plain Python about flights: no Dagster, broker, database, clock or environment."""
