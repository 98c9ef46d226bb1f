import json
from datetime import UTC, datetime, timedelta

from kafka_sensors.decoding import EventHour
from kafka_sensors.offsets import OffsetRange
from kafka_sensors.progress import SliceReport, by_hour

EIGHT = datetime(2025, 7, 20, 8, tzinfo=UTC)


def report(
    partition: int, start: int, end: int, *, hour: datetime = EIGHT, minute: int = 0
) -> SliceReport:
    at = hour + timedelta(minutes=minute)
    return SliceReport(
        slice_id=start,
        partition=partition,
        offsets=OffsetRange(start, end),
        log_hour=hour,
        row_count=end - start - 1,
        rejected_count=1,
        rejected_by_reason={"contract" if start else "not_json": 1},
        byte_count=10,
        event_hours=(EventHour(hour, at, at, end - start - 1),),
        seconds=0.5,
    )


def test_slices_add_up_by_hour_and_neighbours_join() -> None:
    nine = EIGHT + timedelta(hours=1)
    eight_hour, nine_hour = by_hour(
        "readings",
        [
            report(0, 0, 5, minute=7),
            report(0, 5, 9, minute=2),
            report(1, 0, 3, minute=5),
            report(1, 4, 6, minute=5),
            report(0, 9, 10, hour=nine),
        ],
        lag=3,
    )
    assert nine_hour.hour == nine
    metadata = eight_hour.metadata()
    assert json.loads(json.dumps(metadata)) == metadata
    assert metadata == {
        "topic": "readings",
        "offset_ranges": {"0": [[0, 9]], "1": [[0, 3], [4, 6]]},
        "slices": 4,
        "rows": 10,
        "rejected": 4,
        "rejected_by_reason": {"not_json": 2, "contract": 2},
        "bytes": 40,
        "first_event_at": "2025-07-20T08:02:00+00:00",
        "last_event_at": "2025-07-20T08:07:00+00:00",
        "lag": 3,
        "rows_per_s": 5,
    }
