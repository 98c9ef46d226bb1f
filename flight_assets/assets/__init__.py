"""The assets, one file per product: thin wrappers that fetch, call core, store and report."""

OWNERS = ["team:flight-data"]  # who answers for every asset here
