from datetime import UTC, datetime

import dagster as dg

from kafka_sensors.sensors import is_landing_run, run_request

HOURS = dg.HourlyPartitionsDefinition(start_date="2025-01-01-00:00", end_offset=1)


def test_a_request_names_its_hours_and_carries_nothing_else() -> None:
    hours = (datetime(2025, 7, 20, 8, tzinfo=UTC), datetime(2025, 7, 20, 10, tzinfo=UTC))
    request = run_request(hours, HOURS)
    assert request.partition_key_range == dg.PartitionKeyRange(
        "2025-07-20-08:00", "2025-07-20-10:00"
    )
    assert is_landing_run(request.tags)
    assert (request.run_key, request.run_config, request.partition_key) == (None, {}, None)


def test_a_run_of_a_person_is_no_landing_run() -> None:
    assert not is_landing_run({"dagster/partition": "2025-07-20-08:00"})
