"""Jobs that tell which process ran them, for the tests of the run launcher."""

import os
import time
from pathlib import Path

import dagster as dg

END = ".end"  # a file of this suffix beside a run's ends it


@dg.op(config_schema={"file": str, "seconds": float})
def tell(context: dg.OpExecutionContext) -> None:
    """Write the process and its parent to a file; take so many seconds, or till told to end."""
    file = Path(context.op_config["file"])
    draft = file.with_suffix(".draft")
    draft.write_text(f"{os.getpid()} {os.getppid()}")
    draft.replace(file)
    end_at = time.monotonic() + context.op_config["seconds"]
    while time.monotonic() < end_at and not file.with_suffix(END).exists():
        time.sleep(0.05)


@dg.job(executor_def=dg.in_process_executor)
def telling() -> None:
    """One op."""
    tell()
