"""How the line is: figures gathered from Kafka, the warehouse, Dagster and this machine."""

from flight_assets.health.collect import collect

__all__ = ["collect"]
