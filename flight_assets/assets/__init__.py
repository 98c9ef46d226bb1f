"""The assets, one file per product: thin wrappers that fetch, call core, store and report."""
