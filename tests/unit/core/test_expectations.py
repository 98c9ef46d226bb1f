"""What is usual and what is not, on both sides of every boundary."""

import pytest

from flight_assets.core.expectations import jump, unusual_shares, unusual_volume

USUAL = [1000, 900, 1100]


@pytest.mark.parametrize(
    ("count", "is_unusual"), [(699, True), (700, False), (1500, False), (1501, True)]
)
def test_a_volume_is_judged_by_the_median_of_earlier_days(count: int, is_unusual: bool):
    assert (unusual_volume(count, USUAL) is not None) == is_unusual


def test_a_cold_start_does_not_cry_wolf():
    assert unusual_volume(0, USUAL[:2]) is None
    assert unusual_shares({"callsign": 0.0}, [{"callsign": 1.0}] * 2) == {}


def test_a_sky_that_is_usually_empty_is_no_measure():
    assert unusual_volume(100, [0, 0, 0]) is None


@pytest.mark.parametrize(("share", "is_unusual"), [(0.81, False), (0.79, True), (1.0, False)])
def test_a_column_is_judged_by_its_usual_share(share: float, is_unusual: bool):
    found = unusual_shares({"callsign": share}, [{"callsign": 0.9}] * 3)
    assert ("callsign" in found) == is_unusual


@pytest.mark.parametrize(
    ("count", "before", "is_jump"),
    [(50, 100, False), (49, 100, True), (200, 100, False), (201, 100, True), (1, 19, False),
     (1, 20, True), (20, 1, True), (19, 1, False)],
)  # fmt: skip
def test_a_jump_is_less_than_half_or_more_than_twice(count: int, before: int, is_jump: bool):
    assert (jump(count, before) is not None) == is_jump
