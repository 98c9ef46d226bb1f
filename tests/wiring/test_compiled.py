"""What is written in C is there wherever it can be compiled: its tests skip without it."""

import shutil
import sysconfig
from pathlib import Path

import pytest

from flight_assets.assets.raw_flights import RAW_FLIGHTS
from kafka_sensors import plain


def test_the_short_way_was_compiled_where_it_can_be() -> None:
    headers = Path(sysconfig.get_paths()["include"]) / "Python.h"
    if shutil.which("cc") is None or not headers.exists():
        pytest.skip("no C compiler, or no headers of Python")
    assert plain.IS_COMPILED, "call `make install` again, and look at what it says"
    assert RAW_FLIGHTS.plan is not None
