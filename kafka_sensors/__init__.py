"""Land Kafka topics in Postgres tables as Dagster partitions, effectively once.

Knows nothing of what the messages say: a ``Target`` tells how to decode and store them.
"""
