"""The assets, one file per product: thin wrappers that fetch, call core, store and report."""

import dagster as dg

from flight_assets.core.freshness import REFERENCES, STREAM, Window

OWNERS = ["team:flight-data"]  # who answers for every asset here


def policy_of(window: Window) -> dg.FreshnessPolicy:
    """Return the freshness policy that a window of ages is in Dagster."""
    return dg.FreshnessPolicy.time_window(warn_window=window.warn, fail_window=window.fail)


STREAM_FRESHNESS = policy_of(STREAM)
REFERENCE_FRESHNESS = policy_of(REFERENCES)
