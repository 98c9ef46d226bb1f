"""The local stack: Postgres and Kafka on 127.0.0.1, started and stopped by process id."""
