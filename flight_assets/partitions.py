"""The hours: how the stream and its answers are cut into partitions."""

import dagster as dg

# The first hour that can be answered; older captures need an earlier one.
FIRST_HOUR = "2022-01-01-00:00"

# `end_offset=1` makes the current hour a partition, so that it lands while it runs.
hourly_utc = dg.HourlyPartitionsDefinition(start_date=FIRST_HOUR, end_offset=1)
