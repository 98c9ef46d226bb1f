"""A stack for a benchmark alone, in a place that is taken away again."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from flight_assets.local import stack
from flight_assets.local.endpoints import Endpoints
from flight_assets.settings import Settings

console = Console()


@contextmanager
def own_line() -> Iterator[Endpoints]:
    """Start a stack of its own, with this process's environment pointing at it; stop it after."""
    with tempfile.TemporaryDirectory(prefix="flight-assets-benchmark-") as home:
        Path(home).chmod(0o755)
        own = {"flight_assets_home": Path(home), "postgres_host": None}
        settings = Settings().model_copy(update={**own, "kafka_bootstrap_servers": None})
        try:
            found = stack.up(settings, say=console.print)
            os.environ |= found.environment()
            yield found
        finally:
            stack.down(settings)
