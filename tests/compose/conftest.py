"""The engine that the tests of the containers share; without one they skip, and say why."""

from collections.abc import Iterator

import pytest

from .engine import Engine, why_none
from .engine import engine as engine_of


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A container engine, stopped after the tests where they have started it."""
    missing = why_none()
    if missing is not None:
        pytest.skip(missing)
    with engine_of() as found:
        yield found
