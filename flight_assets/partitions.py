"""The hours: how the stream and its answers are cut into partitions, and how a run names them."""

from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from flight_assets.core.repairs import HourRange
from flight_assets.settings import load_settings

FIRST_HOUR = load_settings().first_hour

# `end_offset=1` makes the current hour a partition, so that it lands while it runs.
hourly_utc = dg.HourlyPartitionsDefinition(start_date=FIRST_HOUR, end_offset=1)


def hour_of(partition_key: str) -> datetime:
    """Return the instant at which a partition begins."""
    return datetime.strptime(partition_key, hourly_utc.fmt).replace(tzinfo=UTC)


def partition_key_of(hour: datetime) -> str:
    """Return the key of the partition that begins at an instant."""
    return hour.astimezone(UTC).strftime(hourly_utc.fmt)


def hours_of_run(tags: Mapping[str, str]) -> HourRange | None:
    """Return the hours that a run is over, by its tags; ``None`` where it names none."""
    only = tags.get(PARTITION_NAME_TAG)
    first = tags.get(ASSET_PARTITION_RANGE_START_TAG, only)
    last = tags.get(ASSET_PARTITION_RANGE_END_TAG, only)
    if first is None or last is None:
        return None
    return HourRange(first=hour_of(first), last=hour_of(last))


def tags_for(hours: HourRange) -> dict[str, str]:
    """Return the tags that ask for one run over a range of hours."""
    return {
        ASSET_PARTITION_RANGE_START_TAG: partition_key_of(hours.first),
        ASSET_PARTITION_RANGE_END_TAG: partition_key_of(hours.last),
    }


# Of a run that builds hours whose answers are older than what has landed, and nothing else.
REPAIR_TAGS = {"flight_assets/repairs": "stale_hours"}


def is_repair_run(tags: Mapping[str, str]) -> bool:
    """Return whether the stale-hours sensor asked for a run."""
    return REPAIR_TAGS.items() <= tags.items()
