"""`flight-assets dev`: Dagster's own daemon carries polls to gold, with no hand on them."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from flight_assets.errors import FlightAssetsError
from flight_assets.local import stack
from flight_assets.local.processes import free_port
from flight_assets.settings import Settings
from tests.command import processes_of

pytestmark = pytest.mark.integration

PATIENCE_S = 240
POLLS_IN_GOLD = """
select count(*) from bronze.raw_polls
where ended_at <= (select max(as_of_at) from gold.answered_hours)
"""


def eventually(is_true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not is_true():
        if time.monotonic() > deadline:
            return False
        time.sleep(1)
    return True


def polls_in_gold() -> int:
    """Return how many polls have been answered; 0 while the stack is still on its way."""
    try:
        with psycopg.connect(stack.endpoints(Settings()).conninfo()) as connection:
            row = connection.execute(POLLS_IN_GOLD).fetchone()
            return int(row[0]) if row else 0
    except (FlightAssetsError, psycopg.OperationalError, psycopg.errors.UndefinedTable):
        return 0


def test_polls_reach_gold_by_themselves_and_nothing_is_left_after(new_home: Path):
    command = ["-m", "flight_assets.cli", "dev", "--every", "10s", "--port", str(free_port())]
    line = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True)
    try:
        assert eventually(lambda: polls_in_gold() >= 2), "two polls are in gold by themselves"
    finally:
        line.send_signal(signal.SIGTERM)
        printed, _ = line.communicate(timeout=90)
    assert line.returncode == 0
    assert "The line runs by itself now" in printed
    assert processes_of(new_home) == []
