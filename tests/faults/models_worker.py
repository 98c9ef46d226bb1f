"""Build the answers of an hour as a run of Dagster does, until it is done or killed."""

import json
import sys

import dagster as dg

from flight_assets.commands.line import run_job


def main(tags: str) -> None:
    """Run ``answer_hours_job`` with these tags, given as JSON."""
    with dg.DagsterInstance.get() as instance:
        print(run_job(instance, "answer_hours_job", json.loads(tags)).hours, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
