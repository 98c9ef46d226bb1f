"""Live flights as Dagster assets: all that knows about flights lives here."""
