"""The hours that a run names, as its tags say them."""

from datetime import UTC, datetime

import pytest

from flight_assets.core.repairs import HourRange
from flight_assets.partitions import hours_of_run, tags_for

EIGHT = datetime(2025, 7, 20, 8, tzinfo=UTC)
NINE = datetime(2025, 7, 20, 9, tzinfo=UTC)


def test_the_hours_of_a_run_are_those_that_were_asked_for() -> None:
    assert hours_of_run({}) is None
    assert hours_of_run({"dagster/partition": "2025-07-20-08:00"}) == HourRange(
        first=EIGHT, last=EIGHT
    )
    assert hours_of_run(tags_for(HourRange(first=EIGHT, last=NINE))) == HourRange(
        first=EIGHT, last=NINE
    )


@pytest.mark.parametrize(
    "key", ["2025-07-20-08:00'; drop table bronze.raw_flights; --", "{{ 1 / 0 }}", "", "2025-07-20"]
)
def test_a_partition_that_is_no_hour_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"does not match format|unconverted data"):
        hours_of_run({"dagster/partition": key})
