"""The assets, one file per product: thin wrappers that fetch, call core, store and report."""

from datetime import timedelta

import dagster as dg

OWNERS = ["team:flight-data"]  # who answers for every asset here

# While polls come, each brings the stream and its answers up to date. Where nobody polls they are
# stale, which is what the policy says then.
STREAM_FRESHNESS = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(minutes=15), fail_window=timedelta(hours=1)
)
# Fetched daily; one day that fails is a warning.
REFERENCE_FRESHNESS = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(hours=26), fail_window=timedelta(hours=50)
)
