"""One simulated world for all tests of the simulator: it takes a second or two to populate."""

import pytest

from flight_assets.simulator.world import SimulatedWorld

# A Tuesday at noon, UTC.
NOON_S = 1_763_467_200


@pytest.fixture(scope="session")
def world() -> SimulatedWorld:
    """Return the world of seed 1 with its clock stopped at noon."""
    return SimulatedWorld(1, now_s=NOON_S)
