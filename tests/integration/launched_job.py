"""Jobs that tell which process ran them, for the tests of the run launcher."""

import os
import time
from pathlib import Path

import dagster as dg


@dg.op(config_schema={"file": str, "seconds": float})
def tell(context: dg.OpExecutionContext) -> None:
    """Write the process and its parent to a file, then take so many seconds."""
    file = Path(context.op_config["file"])
    draft = file.with_suffix(".draft")
    draft.write_text(f"{os.getpid()} {os.getppid()}")
    draft.replace(file)
    time.sleep(context.op_config["seconds"])


@dg.job(executor_def=dg.in_process_executor)
def telling() -> None:
    """One op."""
    tell()
